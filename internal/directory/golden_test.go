package directory

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
)

// restore opens a directory whose records were written by an earlier posthorn, line by
// line: a key and a value, quoted. These files are never made anew.
func restore(t *testing.T, dir string, o Options) *Directory {
	t.Helper()
	file, err := os.Open(filepath.Join(dir, "records.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	engine := memkv.New(memkv.Options{})
	err = engine.Update(t.Context(), []kv.Shard{shard}, func(tx kv.Tx) error {
		for lines := bufio.NewScanner(file); lines.Scan(); {
			key, value, _ := strings.Cut(lines.Text(), " ")
			k, err := strconv.Unquote(key)
			if err != nil {
				t.Fatal(err)
			}
			v, err := strconv.Unquote(value)
			if err != nil {
				t.Fatal(err)
			}
			if err := tx.In(shard).Put([]byte(k), []byte(v)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d := openOn(t, engine, o)
	if err := d.Verify(t.Context(), func(problem string) { t.Error(problem) }); err != nil {
		t.Error(err)
	}
	return d
}

// TestFirstRecords: an account was an address with a password, disabled or not.
func TestFirstRecords(t *testing.T) {
	d, ctx := restore(t, "testdata/first", Options{Hash: cheap()}), t.Context()
	wantScram(t, d, "before her login", false)
	for range 2 {
		if _, err := d.Authenticate(ctx, "alice@example.test", "secret", Use{"imap"}); err != nil {
			t.Error(err)
		}
	}
	if proves(t, scramOf(t, d, "alice@example.test", ScramSHA256), ScramSHA256, "secret") == nil {
		t.Error("after a login there are no keys for SCRAM")
	}
	wantScram(t, d, "after her login", true)
	_, err := d.Authenticate(ctx, "bob@example.test", "secret", Use{"imap"})
	wantKind(t, "disabled", err, fault.Denied)
	if bob, err := d.Account(ctx, address(t, "bob@example.test")); err != nil || bob.State != StateDisabled {
		t.Errorf("bob: %+v, %v", bob, err)
	}
}

// TestSealedRecords: what was sealed once opens with its key.
func TestSealedRecords(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	d := restore(t, "testdata/second", Options{Hash: cheap(), KeyFile: "testdata/second/secrets.key", Clock: func() time.Time { return now }})
	ctx := t.Context()
	if proves(t, scramOf(t, d, "alice@example.test", ScramSHA1), ScramSHA1, "secret") == nil {
		t.Error("her password proves nothing by SCRAM")
	}
	wantScram(t, d, "all have keys", true)
	secrets, err := d.SharedSecrets(ctx, "alice@example.test", Use{"pop3"})
	if err != nil || len(secrets) != 1 || secrets[0].Text != "secret" {
		t.Errorf("shared: %+v, %v", secrets, err)
	}
	app, err := os.ReadFile("testdata/second/app-password")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Authenticate(ctx, "alice@example.test", strings.TrimSpace(string(app)), Use{"imap"}); err != nil {
		t.Errorf("her app password: %v", err)
	}
	recovery, err := os.ReadFile("testdata/second/recovery-code")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.VerifyTOTP(ctx, address(t, "bob@example.test"), strings.TrimSpace(string(recovery))); err != nil {
		t.Errorf("his recovery code: %v", err)
	}
	if err := d.VerifyTOTP(ctx, address(t, "bob@example.test"), "000000"); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("the secret of his one-time codes does not open: %v", err)
	}
}
