package directory

import (
	"fmt"
	"strings"
	"testing"

	"posthorn/internal/fault"
	"posthorn/internal/kv/memkv"
)

func readCSV(t *testing.T, text string) []NewAccount {
	t.Helper()
	accounts, err := ReadCSV(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return accounts
}

func TestImport(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "bob@example.test")
	file := "\ufeffaddress,password\r\n" +
		"alice@example.test,secret\r\n" +
		" Carol@Example.Test ,\"with,comma \"\r\n" +
		"bob@example.test,ignored\r\n" +
		"dave@example.test,{SSHA}UgCJjM+VJJYduihDuk0aPpDtY9RzYWx0eQ==\r\n"
	done, err := d.Import(ctx, readCSV(t, file))
	if err != nil || done != (Imported{Added: 3, Present: 1}) {
		t.Fatalf("Import = %+v, %v", done, err)
	}
	for user, password := range map[string]string{
		"alice@example.test": "secret", "carol@example.test": "with,comma ", "bob@example.test": "secret", "dave@example.test": "secret",
	} {
		if _, err := d.Authenticate(ctx, user, password, Use{}); err != nil {
			t.Errorf("%s: %v", user, err)
		}
	}
	done, err = d.Import(ctx, readCSV(t, file))
	if err != nil || done != (Imported{Present: 4}) {
		t.Errorf("Import again = %+v, %v", done, err)
	}
	mustBeClean(t, d)
}

func TestImportIsAllRightOrNothing(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test")
	_, err := d.Import(ctx, readCSV(t, "good@example.test,secret\nx@other.test,secret\ny@example.test,{MD5}abc\nGOOD@example.test,secret\nz@example.test,\n"))
	wantKind(t, "Import", err, fault.Invalid)
	want := `line 2: x@other.test: domain other.test is not served here; add it first
line 3: y@example.test: password scheme {MD5} is not known; want one of ARGON2ID ARGON2I ARGON2 BLF-CRYPT SHA512-CRYPT SHA256-CRYPT MD5-CRYPT CRYPT PBKDF2 PBKDF2-SHA256 PBKDF2-SHA512 SCRAM-SHA-1 SCRAM-SHA-256 SSHA512 SSHA256 SSHA SMD5 SHA512 SHA256 SHA (or {PLAIN} before a plain password that begins with a brace)
line 4: good@example.test stands in line 1 already
line 5: z@example.test: the password is empty`
	if err.Error() != want {
		t.Errorf("Import says:\n%v\nwant:\n%s", err, want)
	}
	_, err = d.Account(ctx, address(t, "good@example.test"))
	wantKind(t, "the good one", err, fault.NotFound)
}

func TestImportOverAnAlias(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test", "sales@example.test > alice@example.test")
	_, err := d.Import(ctx, readCSV(t, "sales@example.test,secret\n"))
	wantKind(t, "Import", err, fault.Exists)
}

func TestReadCSVRefuses(t *testing.T) {
	_, err := ReadCSV(strings.NewReader("alice@example.test,secret\nbob\nc@example.test,a,b\n@example.test,x\n"))
	wantKind(t, "ReadCSV", err, fault.Invalid)
	for _, want := range []string{"line 2: 1 columns; want address,password", "line 3: 3 columns", `line 4: address "@example.test": no local part`} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("ReadCSV does not say %q: %v", want, err)
		}
	}
	_, err = ReadCSV(strings.NewReader("alice@example.test,\"secret\n"))
	wantKind(t, "an open quote", err, fault.Invalid)
	_, err = ReadCSV(strings.NewReader(strings.Repeat("x\n", 100)))
	if text := fmt.Sprint(err); strings.Count(text, "\n") != maxProblems || !strings.HasSuffix(text, "and 80 more") {
		t.Errorf("a hundred problems are told as:\n%s", text)
	}
}

// TestImportManyBatches uses hashes, which cost nothing, so that it is the
// batches that are tested.
func TestImportManyBatches(t *testing.T) {
	d, ctx := openOn(t, memkv.New(memkv.Options{}), Options{Hash: cheap()}), t.Context()
	fill(t, d, "@example.test", "user3@example.test", "user777@example.test")
	var file strings.Builder
	const n = 3*importBatch + 7
	for i := range n {
		fmt.Fprintf(&file, "user%d@example.test,{SSHA}UgCJjM+VJJYduihDuk0aPpDtY9RzYWx0eQ==\n", i)
	}
	done, err := d.Import(ctx, readCSV(t, file.String()))
	if err != nil || done != (Imported{n - 2, 2}) {
		t.Errorf("Import = %+v, %v", done, err)
	}
	mustBeClean(t, d)
}
