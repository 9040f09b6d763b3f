package admin

import (
	"cmp"
	"context"

	"posthorn/internal/fault"
	"posthorn/internal/roster"
)

// RosterOrder brings the server to what a document says.
type RosterOrder struct {
	File          string            `json:"file"` // what it is called, in messages
	Text          string            `json:"text"`
	PasswordFiles map[string]string `json:"password_files,omitempty"` // what is in those that it names
	DryRun        bool              `json:"dry_run,omitempty"`
	Delete        bool              `json:"delete,omitempty"`
	Passwords     bool              `json:"passwords,omitempty"`
	AddOnly       bool              `json:"add_only,omitempty"`
}

// RosterChanges say what was done for it, or would be.
type RosterChanges struct {
	Changes []roster.Change `json:"changes"`
	DryRun  bool            `json:"dry_run"`
	Present int             `json:"present,omitempty"`        // accounts that are there and stay as they are
	Kept    int             `json:"passwords_kept,omitempty"` // accounts with another password than the document's
}

func (a *Admin) roster() roster.Server {
	return roster.Server{Directory: a.o.Directory, Store: a.o.Store}
}

// applyRoster has a line of the audit trail for each change.
func (a *Admin) applyRoster(ctx context.Context, r RosterOrder) (RosterChanges, error) {
	want, err := roster.Parse(r.File, []byte(r.Text), func(name string) (string, error) {
		password, ok := r.PasswordFiles[name]
		if !ok {
			return "", fault.New(fault.Invalid, "the password does not come with the document")
		}
		return password, nil
	})
	if err != nil {
		return RosterChanges{}, err
	}
	plan, err := a.roster().Plan(ctx, r.File, want, roster.Options{Delete: r.Delete, Passwords: r.Passwords, AddOnly: r.AddOnly})
	if err != nil {
		return RosterChanges{}, err
	}
	if !r.DryRun {
		err = a.roster().Apply(ctx, plan, func(c *roster.Change) { a.note(ctx, c.Kind+"/"+c.Verb, *c, nil) })
		err = cmp.Or(err, a.reopen(ctx))
	}
	return RosterChanges{Changes: append([]roster.Change{}, plan.Changes...), DryRun: r.DryRun, Present: plan.Present, Kept: plan.Kept}, err
}

func (a *Admin) exportRoster(ctx context.Context, _ Nothing) (roster.Document, error) {
	return a.roster().Export(ctx)
}
