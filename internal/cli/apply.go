package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"posthorn/internal/admin"
	"posthorn/internal/fault"
	"posthorn/internal/roster"
)

type applyCommand struct {
	File      string `arg:"" help:"JSON, as account export --json writes it; - is standard input."`
	DryRun    bool   `help:"Show what would change, and change nothing."`
	Delete    bool   `help:"Delete what the file does not name: domains, accounts, aliases, and settings of those that it does name."`
	Passwords bool   `help:"Give the file's passwords to accounts that are there already, too."`
}

// Help is shown below the summary.
func (c *applyCommand) Help() string {
	return "What the file does not name stays as it is, unless --delete is given. Everything is looked at before anything is changed; " +
		"applied again, the same file changes nothing. Passwords stand there as {SCHEME}hash, or in files named by password_file."
}

func (c *applyCommand) Run(e *environment) error {
	text, err := e.readAll(c.File)
	if err != nil {
		return err
	}
	return e.apply(c.File, text, admin.RosterOrder{DryRun: c.DryRun, Delete: c.Delete, Passwords: c.Passwords})
}

// readAll reads a file, or standard input.
func (e *environment) readAll(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(e.In)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fault.New(fault.NotFound, "%w", err)
	}
	return text, nil
}

// isJSON tells a document from lines of CSV.
func isJSON(name string, text []byte) bool {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))
	return strings.EqualFold(filepath.Ext(name), ".json") || bytes.HasPrefix(text, []byte("{"))
}

// apply has a document carried out, with the passwords in files beside it.
func (e *environment) apply(file string, text []byte, r admin.RosterOrder) error {
	r.File, r.Text, r.PasswordFiles = file, string(text), map[string]string{}
	_, err := roster.Parse(file, text, func(name string) (string, error) {
		path := name
		if !filepath.IsAbs(path) && file != "-" {
			path = filepath.Join(filepath.Dir(file), path)
		}
		password, err := passwordFile{PasswordFile: path}.password(e, "")
		r.PasswordFiles[name] = password
		return password, err
	})
	if err != nil {
		return err
	}
	done, err := call(e, admin.ApplyRoster, r)
	if err != nil {
		return err
	}
	return e.print(done, func(w io.Writer) { printRoster(w, done) })
}

func printRoster(w io.Writer, done admin.RosterChanges) {
	signs := map[string]string{roster.Add: "+", roster.Modify: "~", roster.Delete: "-"}
	counts := map[string]int{}
	for _, c := range done.Changes {
		counts[c.Verb]++
		fmt.Fprintln(w, signs[c.Verb], c.Kind, c.Name)
		for _, s := range c.Settings {
			fmt.Fprintln(w, "   ", s)
		}
	}
	if done.Present > 0 {
		fmt.Fprintf(w, "%s there already, not changed\n", count(done.Present, "account was", "accounts were"))
	}
	if done.Kept > 0 {
		fmt.Fprintf(w, "%s another password than the file's; --passwords changes that\n", count(done.Kept, "account keeps", "accounts keep"))
	}
	total := fmt.Sprintf("%d added, %d changed, %d deleted", counts[roster.Add], counts[roster.Modify], counts[roster.Delete])
	switch {
	case len(done.Changes) == 0:
		fmt.Fprintln(w, "nothing to do")
	case done.DryRun:
		fmt.Fprintln(w, "would be:", total)
	default:
		fmt.Fprintln(w, total)
	}
}
