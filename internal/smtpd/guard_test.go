package smtpd

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"posthorn/internal/filter/lists"
	"posthorn/internal/filter/rates"
	"posthorn/internal/inbound"
	"posthorn/internal/login"
)

// guessed is a user whose password was guessed at too often: a login.Guard.
type guessed string

func (g guessed) Admit(_ context.Context, _ login.Peer, user string) error {
	if user == string(g) {
		return login.ErrGuesses
	}
	return nil
}

func (guessed) Failed(login.Peer, string)                    {}
func (guessed) Succeeded(login.Peer, string, login.Identity) {}
func (guessed) Withdrawn(login.Peer, string)                 {}

// guard is a server that looks closely at who is there.
type guard struct {
	role inbound.Role
	inbound.Options
}

// list is a list in a file, which the verb "list" writes.
func (h *house) list(name string) *lists.List {
	l := lists.New(lists.Options{Name: name, Paths: []string{filepath.Join(h.folder, name)}, Logger: h.log})
	h.lists[name] = l
	return l
}

// writeList gives the list another text, and has it notice.
func (h *house) writeList(name, text string) error {
	err := os.WriteFile(filepath.Join(h.folder, name), []byte(text), 0o600)
	h.lists[name].Refresh()
	return err
}

// guarded are servers with a policy of their own: "guarded", which watches strangers,
// "patient", which greets them at once but slows down who makes errors, "office", to
// whose machines the clients belong; "listed" and "desk" (submission) with lists,
// "limited" and "users" (submission) with rates, and "exempt", which counts them for others.
func (h *house) guarded(in inbound.Options) map[string]guard {
	strangers, office := in, in
	strangers.Policy.GreetDelay, strangers.Policy.Tarpit = 2*time.Second, 10*time.Second
	strangers.Known = rates.New(time.Now())
	office.Policy.Tarpit = time.Hour
	office.Policy.GreetDelay = 2 * time.Second
	office.Policy.RelayFrom = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	patient := strangers // waits for nobody, but slows who makes errors
	patient.Policy.GreetDelay = 0
	listed := in // has lists: the files of the test's folder
	listed.Allow, listed.Deny = h.list("allow"), h.list("deny")
	limited := in // counts
	limited.Rates = rates.New(time.Now())
	limited.Policy.Rates = inbound.Rates{
		inbound.Connections: {Count: 5, Per: time.Minute}, inbound.ClientErrors: {Count: 8, Per: time.Hour},
		inbound.ClientMessages: {Count: 2, Per: time.Minute}, inbound.ClientRecipients: {Count: 6, Per: time.Minute},
		inbound.UnknownRecipients: {Count: 3, Per: time.Hour},
		inbound.UserMessages:      {Count: 2, Per: time.Hour}, inbound.UserRecipients: {Count: 4, Per: time.Hour},
	}
	limited.Policy.Users = map[string]*inbound.Allowance{"bob@example.test": {
		MaxSize: 1000, MaxRecipients: 2, Messages: rates.Limit{Count: 5, Per: time.Hour},
	}}
	exempt := limited
	exempt.Policy.Exempt = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	return map[string]guard{
		"listed":  {inbound.MX, listed},
		"desk":    {inbound.Submission, listed},
		"limited": {inbound.MX, limited},
		"users":   {inbound.Submission, limited},
		"exempt":  {inbound.MX, exempt},
		"guarded": {inbound.MX, strangers},
		"patient": {inbound.MX, patient},
		"office":  {inbound.MX, office},
	}
}
