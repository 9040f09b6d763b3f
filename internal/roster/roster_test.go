package roster

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"posthorn/internal/fault"
)

var update = flag.Bool("update", false, "rewrite what is said in testdata")

// cases are those of a file, by name, each with what has been written down of it.
func cases(t *testing.T, file string, play func(c map[string]string) string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := map[string]string{}
	for i, f := range archive.Files {
		name, part, _ := strings.Cut(f.Name, "/")
		if c[part] = string(f.Data); part != "says" {
			continue
		}
		got := play(c)
		if *update {
			archive.Files[i].Data = []byte(got + "\n")
		} else if want := strings.Trim(c[part], "\n"); strings.Trim(got, "\n") != want {
			t.Errorf("%s: got:\n%s\nwant:\n%s", name, got, want)
		}
		c = map[string]string{}
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// passwordFile stands in for files with passwords.
func passwordFile(name string) (string, error) {
	if name == "none" {
		return "", errors.New("no such file")
	}
	return "secret", nil
}

// compare reads what a case has and wants, and what is then to be done.
func compare(t *testing.T, c map[string]string) (*Plan, error) {
	t.Helper()
	var have Document
	if c["have"] != "" {
		var err error
		if have, err = Parse("have", []byte(c["have"]), passwordFile); err != nil {
			t.Fatal(err)
		}
	}
	for i := range have.Domains {
		have.Domains[i].line = 0
	}
	for i := range have.Accounts {
		have.Accounts[i].line = 0
	}
	for i := range have.Aliases {
		have.Aliases[i].line = 0
	}
	want, err := Parse("users.json", []byte(c["want"]), passwordFile)
	if err != nil {
		return nil, err
	}
	options := strings.TrimSpace(c["options"])
	return Diff(have, want, Options{Delete: options == "delete", Passwords: options == "passwords", AddOnly: options == "add-only"}), nil
}

func TestDiff(t *testing.T) {
	cases(t, "diff.txtar", func(c map[string]string) string {
		plan, err := compare(t, c)
		if err == nil {
			err = plan.check("users.json", nil, func(string) bool { return false })
		}
		if err != nil {
			return err.Error()
		}
		var b strings.Builder
		for _, change := range plan.Changes {
			fmt.Fprintln(&b, change.Verb, change.Kind, change.Name)
			for _, s := range change.Settings {
				fmt.Fprintln(&b, "   ", s)
			}
		}
		if plan.Kept+plan.Present > 0 {
			fmt.Fprintln(&b, plan.Kept, "kept,", plan.Present, "present")
		}
		return b.String()
	})
}

func TestRefused(t *testing.T) {
	cases(t, "refused.txtar", func(c map[string]string) string {
		plan, err := compare(t, c)
		if err == nil {
			err = plan.check("users.json", []string{"corp"}, func(address string) bool { return address == "known@example.test" })
		}
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s is taken: %v", c["want"], err)
			return ""
		}
		return err.Error()
	})
}
