package admin

import (
	"context"
	"encoding/json"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"posthorn/internal/audit"
	"posthorn/internal/obs"
	"posthorn/internal/roster"
)

// AuditQuery is what is looked for in the audit trail: what meets all of it.
type AuditQuery struct {
	Who   string    `json:"who,omitempty"` // an address, a domain or an operator
	IP    string    `json:"ip,omitempty"`
	What  []string  `json:"what,omitempty"` // of audit.What
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	Limit int       `json:"limit,omitempty"` // most entries, the latest ones; 0: a hundred
}

// AuditAnswer is what was found.
type AuditAnswer struct {
	Entries []audit.Entry `json:"entries"`
	More    bool          `json:"more"` // there are older ones
	Days    int           `json:"days"` // that entries are kept; 0: they are not
}

// searchAudit tells the operator everything, and everybody else of his own logins.
func (a *Admin) searchAudit(ctx context.Context, r AuditQuery) (AuditAnswer, error) {
	c := callerOf(ctx)
	if !c.operator {
		r.Who, r.What = c.name, logins(r.What)
	}
	entries, more, err := a.o.Audit.Search(ctx, audit.Query(r))
	entries = seen(c, entries, func(e audit.Entry) bool {
		return (e.Event == obs.LoggedIn.String() || e.Event == obs.AuthFailed.String()) && strings.EqualFold(e.User, c.name)
	})
	return AuditAnswer{entries, more, a.o.Audit.Days()}, err
}

// logins are those of some words of audit.What that are about them.
func logins(what []string) []string {
	all := []string{"login", "failure"}
	if len(what) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(word string) bool { return !slices.Contains(what, word) })
}

// reads says that an operation changes nothing.
func reads(operation string) bool {
	return slices.Contains([]string{"list", "show", "dns", "check", "search", "deleted", "held", "verify"}, path.Base(operation))
}

// note writes into the audit trail that an operator has changed something, or has tried.
func (a *Admin) note(ctx context.Context, operation string, request any, err error) {
	if a.o.Audit == nil || reads(operation) {
		return
	}
	subject, detail, changes := about(request)
	if !changes {
		return
	}
	e := &obs.Event{Kind: obs.Administered, Action: operation, User: bounded(subject), Detail: bounded(detail)}
	by(ctx, e)
	if err != nil {
		e.Error = bounded(err.Error())
	}
	a.o.Audit.Record(e)
}

// about says what a request is about, and what is to be changed, in words of its own: of
// passwords nothing can get in here. A request that this does not know has no words.
func about(request any) (subject, detail string, changes bool) {
	switch r := request.(type) {
	case Name:
		return r.Name, "", true
	case Credentials:
		return r.Address, "", true
	case []Credentials:
		return "", strconv.Itoa(len(r)) + " accounts", true
	case Domain:
		return r.Name, strings.TrimSpace(r.AliasOf + " " + r.CatchAll), true
	case DomainAdmin:
		return r.Domain, r.Address, true
	case DomainSettings:
		subject, r.Domain = r.Domain, ""
		return subject, strings.Replace(settingsText(r), `"domain":"",`, "", 1), true
	case Account:
		return r.Address, strings.Join(r.Forward, " "), true
	case Alias:
		return r.Address, strings.TrimSpace(strings.Join(r.Targets, " ") + " " + r.Senders), true
	case KeyOrder:
		return r.Domain, strings.Join(r.Selectors, " "), true
	case SessionEnd:
		return r.Address, r.ID, true
	case AppPassword:
		return r.Address, strings.TrimSpace(r.Name + " " + strings.Join(r.Scope, " ")), true
	case AccountRename:
		return r.Address, r.To, true
	case Retention:
		subject, r.Address = r.Address, ""
		return subject, settingsText(r), r.Days != nil
	case AccountState:
		return r.Address, strings.TrimSpace(r.State + " " + r.Reason), true
	case AccountMechanisms:
		return r.Address, "off: " + strings.Join(r.Off, " "), true
	case AccountCode:
		return r.Address, "", true
	case AccountSettings:
		subject, r.Address = r.Address, ""
		return subject, settingsText(r), true
	case POP3Settings:
		subject, r.Address = r.Address, ""
		return subject, settingsText(r), r != (POP3Settings{})
	case SecureOrder:
		return r.Address, "", !r.DryRun
	case UndeleteOrder:
		return r.Name, strings.TrimSpace(r.Mailbox + " " + r.To), r.Restore
	case RosterOrder:
		return "", r.File, !r.DryRun
	case roster.Change:
		return r.Name, settingsOf(r), true
	case QueueOrder:
		return "", strings.TrimSpace(r.Operation + " " + settingsText(r.Filter) + " " + r.Route), !r.DryRun
	}
	return "", "", true
}

// settingsOf are those that a document has changed.
func settingsOf(c roster.Change) string {
	texts := make([]string, len(c.Settings))
	for i, s := range c.Settings {
		texts[i] = s.String()
	}
	return strings.Join(texts, ", ")
}

// settingsText is what is set of some settings, which have no secrets.
func settingsText(settings any) string {
	text, err := json.Marshal(settings)
	if err != nil {
		return ""
	}
	return strings.Replace(string(text), `"address":"",`, "", 1)
}
