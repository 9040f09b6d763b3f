package inbound

import (
	"strings"
	"testing"

	"posthorn/internal/addr"
)

func TestDecide(t *testing.T) {
	policy := Policy{MaxSize: 1000, MaxRecipients: 2, MaxReceived: 100}
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
		{"mx, disabled", Findings{Recipient: to(Disabled)}, RuleDisabledRecipient, "550 5.2.1"},
		{"mx, full", Findings{Recipient: Recipient{Address: alice, Standing: Local, OverQuota: true}}, RuleRecipientOverQuota, "452 4.2.2"},
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

		{"declared, fits", Findings{DeclaredSize: 1000}, "", ""},
		{"declared, too large", Findings{DeclaredSize: 1001}, RuleMessageTooLarge, "552 5.3.4 The message is too large: at most 1000"},
		{"received, too large", Findings{DeclaredSize: 10, Size: 1001}, RuleMessageTooLarge, "552 5.3.4"},
		{"second recipient", Findings{Recipients: 1, Recipient: to(Local)}, "", ""},
		{"third recipient", Findings{Recipients: 2, Recipient: to(Local)}, RuleTooManyRecipients, "452 4.5.3"},
		{"third recipient, unknown", Findings{Recipients: 2, Recipient: to(Unknown)}, RuleTooManyRecipients, "452 4.5.3"},
		{"two recipients, end of message", Findings{Recipients: 2}, "", ""},

		{"bare LF", Findings{BareLF: true}, RuleBareNewline, "550 5.6.0"},
		{"bare CR", Findings{BareCR: true}, RuleBareNewline, "550 5.6.0"},
		{"lmtp, bare LF", Findings{Role: LMTP, BareLF: true}, RuleBareNewline, "550 5.6.0"},
		{"submission, bare LF", Findings{Role: Submission, Authenticated: true, BareLF: true}, "", ""},
		{"submission, bare CR", Findings{Role: Submission, Authenticated: true, BareCR: true}, RuleBareNewline, "550 5.6.0"},
		{"99 hops", Findings{Received: 99}, "", ""},
		{"forwarded before", Findings{Recipient: Recipient{Address: alice, Standing: Local, Looped: true}}, RuleMailLoop, "554 5.4.6 <alice@example.test> has"},
		{"100 hops", Findings{Received: 100}, RuleMailLoop, "554 5.4.6"},
	} {
		refusal := Decide(&policy, &tc.findings)
		switch {
		case refusal == nil && tc.rule != "":
			t.Errorf("%s: accepted, want %s", tc.name, tc.rule)
		case refusal != nil && (refusal.Rule != tc.rule || !strings.HasPrefix(refusal.Reply.String(), tc.reply)):
			t.Errorf("%s: %v, want %s: %s", tc.name, refusal, tc.rule, tc.reply)
		}
	}
	if refusal := Decide(&Policy{}, &Findings{Size: 1 << 40, Recipients: 1 << 20, Recipient: to(Local), Received: 1000}); refusal != nil {
		t.Errorf("without limits: %v", refusal)
	}
}

// Every rule has a name of its own and is the reason in some row above; its reply
// is a refusal of one class throughout.
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
