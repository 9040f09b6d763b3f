package inbound

import (
	"strings"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/filter/lists"
	"posthorn/internal/filter/rates"
)

func TestDecide(t *testing.T) {
	policy := Policy{MaxSize: 1000, MaxRecipients: 2, MaxReceived: 100, MaxOwn: 3}
	for r := range policy.Rates {
		policy.Rates[r] = rates.Limit{Count: 10 * r, Per: time.Minute}
	}
	policy.Rates[UserMessages].Per = time.Hour
	on := func(k lists.Kind, text, reason string) *lists.Entry {
		return &lists.Entry{Kind: k, Text: text, Reason: reason}
	}
	exceeded := func(r Rate, wait time.Duration) Findings { return Findings{Exceeded: r, Wait: wait} }
	small := &Allowance{MaxSize: 100, MaxRecipients: 5, Messages: rates.Limit{Count: 1, Per: time.Minute}}
	broken := map[Rule]bool{}
	alice := addr.Address{Local: "alice", Domain: "example.test"}
	to := func(s Standing) Recipient { return Recipient{Address: alice, Standing: s} }
	for _, tc := range []struct {
		name     string
		findings Findings
		rule     Rule
		reply    string // its beginning; "" if accepted
	}{
		{"nothing known", Findings{}, "", ""},
		{"mx, sender", Findings{Sender: alice}, "", ""},
		{"mx, local", Findings{Sender: alice, Recipient: to(Local)}, "", ""},
		{"mx, foreign", Findings{Recipient: to(Foreign)}, RuleRelayDenied, "550 5.7.1 <alice@example.test>: relaying denied"},
		{"mx, unknown", Findings{Recipient: to(Unknown)}, RuleUnknownRecipient, "550 5.1.1 <alice@example.test>"},
		{"mx, suspended", Findings{Recipient: to(Suspended)}, RuleSuspendedRecipient, "450 4.2.1"},
		{"mx, disabled", Findings{Recipient: to(Disabled)}, RuleDisabledRecipient, "550 5.2.1"},
		{"mx, full", Findings{Recipient: Recipient{Address: alice, Standing: Local, OverQuota: true}}, RuleRecipientOverQuota, "452 4.2.2"},
		{"mx, another owner", Findings{Recipient: Recipient{Address: alice, Standing: Local, Ownership: OwnershipChanged}}, RuleOwnerChanged, "550 5.7.17"},
		{"mx, an owner elsewhere", Findings{Relay: true, Recipient: Recipient{Address: alice, Standing: Local, Leaves: true, Ownership: OwnershipUnknown}}, RuleOwnerUnknown, "550 5.7.19"},
		{"mx, forwarded", Findings{Relay: true, Recipient: Recipient{Address: alice, Standing: Local, Leaves: true}}, "", ""},
		{"mx, forwarded, no queue", Findings{Recipient: Recipient{Address: alice, Standing: Local, Leaves: true}}, RuleOutboundUnavailable, "451 4.3.2"},
		{"mx, return address", Findings{Sender: alice, Recipient: to(BounceOnly)}, RuleBounceOnly, "550 5.7.1 <alice@example.test>: bounces only"},
		{"mx, somebody's return address", Findings{Recipient: to(NoWayBack)}, RuleForgedReturn, "550 5.1.1 <alice@example.test>: this return"},
		{"mx, closed group", Findings{Recipient: Recipient{Address: alice, Standing: Local, Closed: true}}, RuleClosedGroup, "550 5.7.2"},
		{"lmtp, foreign", Findings{Role: LMTP, Recipient: to(Foreign)}, RuleRelayDenied, "550 5.7.1"},

		{"submission in clear", Findings{Role: Submission}, RuleTLSRequired, "530 5.7.0 Encrypt"},
		{"submission in clear, allowed", Findings{Role: Submission, PlaintextAuth: true}, RuleAuthRequired, "530 5.7.0 Authenticate"},
		{"submission under TLS", Findings{Role: Submission, TLS: true}, RuleAuthRequired, "530 5.7.0 Authenticate"},
		{"submission, own sender", Findings{Role: Submission, Authenticated: true, Sender: alice, SenderOwned: true}, "", ""},
		{"submission, null sender", Findings{Role: Submission, Authenticated: true}, "", ""},
		{"submission, other's sender", Findings{Role: Submission, Authenticated: true, Sender: alice}, RuleSenderNotOwned, "553 5.7.1 <alice@example.test>"},
		{"submission, foreign", Findings{Role: Submission, Authenticated: true, Recipient: to(Foreign)}, RuleOutboundUnavailable, "451 4.3.2"},
		{"submission, foreign, queue", Findings{Role: Submission, Authenticated: true, Relay: true, Recipient: to(Foreign)}, "", ""},
		{"submission, foreign, queue, not authenticated", Findings{Role: Submission, TLS: true, Relay: true, Recipient: to(Foreign)}, RuleAuthRequired, "530"},
		{"mx, foreign, queue", Findings{Relay: true, Recipient: to(Foreign)}, RuleRelayDenied, "550 5.7.1"},
		{"mx, foreign, queue, authenticated", Findings{Authenticated: true, Relay: true, Recipient: to(Foreign)}, RuleRelayDenied, "550 5.7.1"},
		{"lmtp, foreign, queue", Findings{Role: LMTP, Relay: true, Recipient: to(Foreign)}, RuleRelayDenied, "550 5.7.1"},
		{"submission, unknown", Findings{Role: Submission, Authenticated: true, Recipient: to(Unknown)}, RuleUnknownRecipient, "550 5.1.1"},
		{"submission, not authenticated, too large", Findings{Role: Submission, TLS: true, DeclaredSize: 1001}, RuleAuthRequired, "530"},

		{"mx, foreign, queue, of a network that may relay", Findings{MayRelay: true, Relay: true, Recipient: to(Foreign)}, "", ""},
		{"mx, foreign, no queue, of a network that may relay", Findings{MayRelay: true, Recipient: to(Foreign)}, RuleOutboundUnavailable, "451 4.3.2"},
		{"mx, foreign, queue, inside", Findings{Inside: true, Exempt: true, Relay: true, Recipient: to(Foreign)}, RuleRelayDenied, "550 5.7.1"},
		{"submission, foreign, of a network that may relay", Findings{Role: Submission, TLS: true, MayRelay: true, Relay: true, Recipient: to(Foreign)}, RuleAuthRequired, "530"},

		{"early talker", Findings{Stage: OnConnect, Early: true}, RuleEarlyTalker, "554 5.5.1 You spoke"},
		{"early talker of ours", Findings{Stage: OnConnect, Early: true, Inside: true}, "", ""},
		{"submission, connected", Findings{Stage: OnConnect, Role: Submission}, "", ""},
		{"submission, hello", Findings{Stage: OnHello, Role: Submission, HelloName: "pc"}, "", ""},
		{"hello, odd", Findings{Stage: OnHello, Hello: HelloOdd, HelloName: "pc"}, "", ""},
		{"hello, ours", Findings{Stage: OnHello, Hello: HelloOurs, HelloName: "mail\x01"}, RuleHelloImpersonation, "550 5.7.1 mail? is this"},

		{"early talker, allowed", Findings{Stage: OnConnect, Early: true, Allowed: true}, "", ""},
		{"hello, ours, allowed", Findings{Stage: OnHello, Hello: HelloOurs, Allowed: true}, "", ""},

		{"client denied", Findings{Stage: OnConnect, Denied: on(lists.Client, "192.0.2.0/24", "open proxy")}, RuleClientDenied, "554 5.7.1 Mail from 192.0.2.0/24 is not taken by this server: open proxy"},
		{"client denied and allowed", Findings{Stage: OnConnect, Denied: on(lists.Client, "192.0.2.0/24", ""), Allowed: true}, "", ""},
		{"client denied, early", Findings{Stage: OnConnect, Early: true, Denied: on(lists.Client, "192.0.2.0/24", "")}, RuleClientDenied, "554 5.7.1"},
		{"hello denied", Findings{Stage: OnHello, Denied: on(lists.Hello, "pc", "a r\u00f6bot")}, RuleHelloDenied, "550 5.7.1 Mail from pc is not taken by this server: a r?bot"},
		{"hello denied and allowed", Findings{Stage: OnHello, Denied: on(lists.Hello, "pc", ""), Allowed: true}, "", ""},
		{"sender denied", Findings{Sender: alice, Denied: on(lists.Sender, "example.test", "")}, RuleSenderDenied, "550 5.7.1 Mail from example.test is not taken by this server: its postmaster knows why"},
		{"sender denied and allowed", Findings{Sender: alice, Denied: on(lists.Sender, "example.test", ""), Allowed: true}, "", ""},
		{"submission, own sender denied", Findings{Role: Submission, Authenticated: true, Sender: alice, SenderOwned: true, Denied: on(lists.Sender, "example.test", "")}, RuleSenderDenied, "550"},
		{"recipient denied", Findings{Recipient: to(Local), Denied: on(lists.Recipient, "alice@", "moved")}, RuleRecipientDenied, "550 5.7.1 Mail for alice@ is not taken by this server: moved"},
		{"recipient denied and allowed", Findings{Recipient: to(Local), Denied: on(lists.Recipient, "alice@", ""), Allowed: true}, "", ""},
		{"recipient denied, foreign", Findings{Recipient: to(Foreign), Denied: on(lists.Recipient, "alice@", "")}, RuleRelayDenied, "550"},

		// What the list of the allowed does not change.
		{"allowed, foreign", Findings{Allowed: true, Relay: true, Recipient: to(Foreign)}, RuleRelayDenied, "550"},
		{"allowed, submission", Findings{Role: Submission, Allowed: true, TLS: true}, RuleAuthRequired, "530"},
		{"allowed, too large", Findings{Allowed: true, Size: 1001}, RuleMessageTooLarge, "552"},
		{"allowed, unknown", Findings{Allowed: true, Recipient: to(Unknown)}, RuleUnknownRecipient, "550"},
		{"allowed, bare LF", Findings{Allowed: true, BareLF: true}, RuleBareNewline, "550"},
		{"allowed, loop", Findings{Allowed: true, Received: 100}, RuleMailLoop, "554"},
		{"allowed, rate", Findings{Allowed: true, Exceeded: ClientMessages}, RuleMessageRate, "450"},

		{"connections", exceeded(Connections, 90*time.Second), RuleConnectionRate, "421 4.7.0 Too many connections from your address: at most 10 a minute; come back in 90 seconds"},
		{"errors", exceeded(ClientErrors, time.Millisecond), RuleErrorRate, "421 4.7.0 Too many errors from your address: at most 20 a minute; come back in 1 second"},
		{"messages", exceeded(ClientMessages, 0), RuleMessageRate, "450 4.7.1 Too many messages from your address"},
		{"recipients", exceeded(ClientRecipients, 0), RuleRecipientRate, "450 4.7.1 Too many recipients from your address"},
		{"unknown recipients", exceeded(UnknownRecipients, time.Hour-time.Second), RuleUnknownRecipientRate, "421 4.7.0 Too many recipients that do not exist, from your address: at most 50 a minute; come back in 60 minutes"},
		{"unknown recipients, this one too", Findings{Exceeded: UnknownRecipients, Recipient: to(Unknown)}, RuleUnknownRecipientRate, "421"},
		{"much of him is held", Findings{HeldFull: true}, RuleTooMuchHeld, "450 4.7.1 Your mail is held"},
		{"user's messages", exceeded(UserMessages, 0), RuleUserMessageRate, "450 4.7.1 Too many messages of yours: at most 60 an hour"},
		{"user's recipients", exceeded(UserRecipients, 0), RuleUserRecipientRate, "450 4.7.1 Too many recipients of yours"},

		{"declared, fits", Findings{DeclaredSize: 1000}, "", ""},
		{"declared, too large", Findings{DeclaredSize: 1001}, RuleMessageTooLarge, "552 5.3.4 The message is too large: at most 1000"},
		{"received, too large", Findings{DeclaredSize: 10, Size: 1001}, RuleMessageTooLarge, "552 5.3.4"},
		{"second recipient", Findings{Recipients: 1, Recipient: to(Local)}, "", ""},
		{"third recipient", Findings{Recipients: 2, Recipient: to(Local)}, RuleTooManyRecipients, "452 4.5.3"},
		{"third recipient, unknown", Findings{Recipients: 2, Recipient: to(Unknown)}, RuleTooManyRecipients, "452 4.5.3"},
		{"two recipients, end of message", Findings{Recipients: 2}, "", ""},

		{"of a user with less room", Findings{Allowance: small, Size: 200}, RuleMessageTooLarge, "552 5.3.4 The message is too large: at most 100 bytes"},
		{"of a user with more recipients", Findings{Allowance: small, Recipients: 4, Recipient: to(Local)}, "", ""},
		{"of a user with more, and still too many", Findings{Allowance: small, Recipients: 5, Recipient: to(Local)}, RuleTooManyRecipients, "452"},
		{"of a user with fewer messages", Findings{Allowance: small, Exceeded: UserMessages}, RuleUserMessageRate, "450 4.7.1 Too many messages of yours: at most 1 a minute"},

		{"bare LF", Findings{BareLF: true}, RuleBareNewline, "550 5.6.0"},
		{"bare CR", Findings{BareCR: true}, RuleBareNewline, "550 5.6.0"},
		{"lmtp, bare LF", Findings{Role: LMTP, BareLF: true}, RuleBareNewline, "550 5.6.0"},
		{"submission, bare LF", Findings{Role: Submission, Authenticated: true, BareLF: true}, "", ""},
		{"submission, bare CR", Findings{Role: Submission, Authenticated: true, BareCR: true}, RuleBareNewline, "550 5.6.0"},
		{"99 hops", Findings{Received: 99}, "", ""},
		{"forwarded before", Findings{Recipient: Recipient{Address: alice, Standing: Local, Looped: true}}, RuleMailLoop, "554 5.4.6 <alice@example.test> has"},
		{"100 hops", Findings{Received: 100}, RuleMailLoop, "554 5.4.6 The message has passed through 100 servers"},
		{"here three times", Findings{Received: 5, OwnReceived: 3}, "", ""},
		{"here once more", Findings{Received: 5, OwnReceived: 4}, RuleMailLoop, "554 5.4.6 The message has been here 4 times before"},
	} {
		refusal := Decide(&policy, &tc.findings)
		broken[tc.rule] = true
		switch {
		case refusal == nil && tc.rule != "":
			t.Errorf("%s: accepted, want %s", tc.name, tc.rule)
		case refusal != nil && (refusal.Rule != tc.rule || !strings.HasPrefix(refusal.Reply.String(), tc.reply)):
			t.Errorf("%s: %v, want %s: %s", tc.name, refusal, tc.rule, tc.reply)
		}
	}
	for _, r := range rules {
		if !broken[r.name] {
			t.Errorf("rule %s is broken by nothing above", r.name)
		}
	}
	if refusal := Decide(&Policy{}, &Findings{Size: 1 << 40, Recipients: 1 << 20, Recipient: to(Local), Received: 1000}); refusal != nil {
		t.Errorf("without limits: %v", refusal)
	}
}

// Every rule has a name of its own; its reply is a refusal of one class throughout.
func TestRules(t *testing.T) {
	seen := map[Rule]bool{}
	for _, r := range rules {
		if r.name == "" || seen[r.name] {
			t.Errorf("rule %q is there twice, or has no name", r.name)
		}
		seen[r.name] = true
		if int(r.enhanced[0]) != r.code/100 || r.code < 400 {
			t.Errorf("rule %s: %d and %v do not go together", r.name, r.code, r.enhanced)
		}
		if (r.text == "") == (r.explain == nil) {
			t.Errorf("rule %s must have either a text or an explanation", r.name)
		}
	}
}

func TestAllowance(t *testing.T) {
	one, all := &Allowance{MaxSize: 1}, &Allowance{MaxSize: 2}
	p := Policy{Users: map[string]*Allowance{"alice@example.test": one, "example.test": all}}
	for user, want := range map[string]*Allowance{
		"alice@example.test": one, "bob@example.test": all, "alice@elsewhere.test": nil, "bob@sub.example.test": nil,
	} {
		if got := p.allowance(user); got != want {
			t.Errorf("%s: %+v", user, got)
		}
	}
}
