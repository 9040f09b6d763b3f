package directory

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"posthorn/internal/dkim"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
)

// keysAt makes a directory with example.test, and a clock for it.
func keysAt(t *testing.T) (d *Directory, now *time.Time) {
	t.Helper()
	now = new(time.Time)
	*now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	d = openOn(t, memkv.New(memkv.Options{Rerun: true}), Options{Hash: cheap(), Clock: func() time.Time { return *now }})
	fill(t, d, "@example.test")
	return d, now
}

// ring spells the keys of a domain: "ph20261122r active".
func ring(t *testing.T, d *Directory, domain string) string {
	t.Helper()
	keys, err := d.Keys(t.Context(), domain)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, k := range keys {
		all = append(all, fmt.Sprint(k.Selector, " ", k.State))
	}
	return strings.Join(all, ", ")
}

// signers lists what mail from a domain is signed with.
func signers(t *testing.T, d *Directory, domain string) string {
	t.Helper()
	keys, err := d.SigningKeys(t.Context(), domain)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, k := range keys {
		record, err := dkim.PublicRecord(k.Private)
		if err != nil || record.Algorithm != k.Algorithm {
			t.Errorf("key %s: %+v, %v", k.Selector, record, err)
		}
		all = append(all, dkim.RecordName(k.Selector, k.Domain))
	}
	return strings.Join(all, ", ")
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%s, want\n%s", what, got, want)
	}
}

// A key's whole life.
func TestKeys(t *testing.T) {
	d, now := keysAt(t)
	ctx := t.Context()
	want(t, "at first", ring(t, d, "example.test"), "")
	want(t, "nobody signs", signers(t, d, "example.test"), "")
	if made, err := d.EnsureKeys(ctx, "Example.Test"); err != nil || len(made) != 2 {
		t.Fatalf("made %+v, %v", made, err)
	}
	if again, err := d.EnsureKeys(ctx, "example.test"); err != nil || len(again) != 0 {
		t.Errorf("made again: %+v, %v", again, err)
	}
	want(t, "made", ring(t, d, "example.test"), "ph20261122e active, ph20261122r active")
	want(t, "both sign", signers(t, d, "example.test"), "ph20261122r._domainkey.example.test, ph20261122e._domainkey.example.test")

	if _, err := d.RotateKeys(ctx, "example.test"); err != nil {
		t.Fatal(err)
	}
	_, err := d.RotateKeys(ctx, "example.test")
	wantKind(t, "rotating twice", err, fault.Exists)
	want(t, "rotated", ring(t, d, "example.test"), "ph20261122e active, ph20261122e2 prepared, ph20261122r active, ph20261122r2 prepared")
	want(t, "the old ones still sign", signers(t, d, "example.test"), "ph20261122r._domainkey.example.test, ph20261122e._domainkey.example.test")

	*now = now.Add(time.Hour)
	if done, err := d.ActivateKeys(ctx, "example.test", "ph20261122r2"); err != nil || len(done) != 1 || !done[0].Activated.Equal(*now) {
		t.Errorf("activated %+v, %v", done, err)
	}
	want(t, "one is activated", ring(t, d, "example.test"), "ph20261122e active, ph20261122e2 prepared, ph20261122r retired, ph20261122r2 active")
	if _, err := d.ActivateKeys(ctx, "example.test"); err != nil {
		t.Error(err)
	}
	want(t, "all are", signers(t, d, "example.test"), "ph20261122r2._domainkey.example.test, ph20261122e2._domainkey.example.test")

	for selectors, kind := range map[string]fault.Kind{"": fault.NotFound, "ph20261122r": fault.Invalid, "other": fault.NotFound, "ph20261122e2": fault.Invalid} {
		_, err := d.ActivateKeys(ctx, "example.test", strings.Fields(selectors)...)
		wantKind(t, "activating "+selectors, err, kind)
	}

	*now = now.Add(7 * 24 * time.Hour)
	if gone, err := d.ForgetKeys(ctx, "example.test"); err != nil || len(gone) != 0 {
		t.Errorf("forgotten too early: %+v, %v", gone, err)
	}
	*now = now.Add(2 * 24 * time.Hour)
	if gone, err := d.ForgetKeys(ctx, "example.test"); err != nil || len(gone) != 2 {
		t.Errorf("forgotten: %+v, %v", gone, err)
	}
	want(t, "in the end", ring(t, d, "example.test"), "ph20261122e2 active, ph20261122r2 active")
	mustBeClean(t, d)
}

// A retired key has nothing left that could sign.
func TestRetiredKeysAreOnlyPublic(t *testing.T) {
	d, _ := keysAt(t)
	for _, step := range []func() ([]Key, error){
		func() ([]Key, error) { return d.EnsureKeys(t.Context(), "example.test") },
		func() ([]Key, error) { return d.RotateKeys(t.Context(), "example.test") },
		func() ([]Key, error) { return d.ActivateKeys(t.Context(), "example.test") },
	} {
		if _, err := step(); err != nil {
			t.Fatal(err)
		}
	}
	r, err := d.keyring(t.Context(), "example.test")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range r.keys {
		if (k.State == KeyRetired) != (len(k.record.Private) == 0) || k.Record == "" {
			t.Errorf("%s is %s, with %d bytes of private key", k.Selector, k.State, len(k.record.Private))
		}
	}
	mustBeClean(t, d)
}

func TestWhoSigns(t *testing.T) {
	d, _ := keysAt(t)
	fill(t, d, "@sub.example.test", "@xn--bcher-kva.example")
	for _, domain := range []string{"example.test", "bücher.example"} {
		if _, err := d.EnsureKeys(t.Context(), domain); err != nil {
			t.Fatal(err)
		}
	}
	const key = "ph20261122r._domainkey.example.test, ph20261122e._domainkey.example.test"
	for domain, who := range map[string]string{
		"example.test": key, "EXAMPLE.TEST": key, "host.example.test": key, "a.b.c.example.test": key,
		"sub.example.test": "", "host.sub.example.test": "", // which has no keys of its own yet
		"other.test": "", "test": "", "xample.test": "", "notexample.test": "", "": "", "not a domain": "", "[192.0.2.1]": "",
		"Bücher.example": "ph20261122r._domainkey.xn--bcher-kva.example, ph20261122e._domainkey.xn--bcher-kva.example",
	} {
		want(t, domain, signers(t, d, domain), who)
		want(t, domain+" again", signers(t, d, domain), who) // from memory
	}
	if _, err := d.EnsureKeys(t.Context(), "other.test"); !fault.Is(err, fault.NotFound) {
		t.Errorf("keys of a domain that is not ours: %v", err)
	}
	// Keys go with their domain.
	if err := d.DeleteDomain(t.Context(), "example.test"); err != nil {
		t.Fatal(err)
	}
	want(t, "a deleted domain", signers(t, d, "example.test"), "")
	fill(t, d, "@example.test")
	want(t, "a new domain of the same name", ring(t, d, "example.test"), "")
	mustBeClean(t, d)
}

func TestDamagedKeys(t *testing.T) {
	d, now := keysAt(t)
	err := d.update(t.Context(), func(w kv.Writer) error {
		for _, selector := range []string{"a", "b"} {
			rec := keyRecord{Algorithm: dkim.RSA, Private: []byte("x"), Created: *now, Activated: *now}
			if err := put(w, keyKey("example.test", selector), rec); err != nil {
				return err
			}
		}
		return put(w, keyKey("other.test", "c"), keyRecord{Algorithm: dkim.RSA, Created: *now, Activated: *now, Retired: *now})
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.SigningKeys(t.Context(), "example.test")
	wantKind(t, "signing", err, fault.Corrupt)
	var problems []string
	if err := d.Verify(t.Context(), func(problem string) { problems = append(problems, problem) }); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"key a of example.test: ", "key b of example.test: ", "two active rsa keys", "key c is of other.test, which is not served here"} {
		if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, text) }) {
			t.Errorf("verify does not say %q: %q", text, problems)
		}
	}
}
