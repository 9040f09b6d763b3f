package admin

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestPartOfAHistory: what an admin of one.test learns of messages that concern others, too.
func TestPartOfAHistory(t *testing.T) {
	to := func(addresses ...string) (all []HistoryRecipient) {
		for _, text := range addresses {
			address, accounts, _ := strings.Cut(text, "=")
			r := HistoryRecipient{Address: address}
			if accounts != "" {
				r.Accounts = strings.Split(accounts, ",")
			}
			all = append(all, r)
		}
		return all
	}
	const accepted, delivered, forwarded, failed = "message accepted", "delivered", "passed on", "authentication failed"
	c := &caller{account: 1, name: "alice@one.test", domains: []string{"one.test", "uno.test"}}
	for name, tc := range map[string]struct {
		events []HistoryEvent
		want   string // of each event: recipients, and who and where the client was
	}{
		"from outside to several": {
			[]HistoryEvent{{Kind: accepted, IP: "192.0.2.1", From: "x@elsewhere.test", To: to("bob@UNO.test=bob@one.test", "erin@two.test=erin@two.test")}},
			"bob@UNO.test=bob@one.test 192.0.2.1",
		},
		"by way of an alias to somebody else": {
			[]HistoryEvent{{Kind: accepted, IP: "192.0.2.1", To: to("team@one.test=bob@one.test,erin@two.test")}},
			"team@one.test=bob@one.test 192.0.2.1",
		},
		"of a user of his": {
			[]HistoryEvent{
				{Kind: accepted, User: "bob@one.test", IP: "192.0.2.1", To: to("y@elsewhere.test", "sales@two.test=erin@two.test")},
				{Kind: delivered, To: to("y@elsewhere.test")},
				{Kind: forwarded, User: "erin@two.test", To: to("private@elsewhere.test")},
				{Kind: delivered, To: to("private@elsewhere.test")},
			},
			"y@elsewhere.test sales@two.test bob@one.test 192.0.2.1|y@elsewhere.test",
		},
		"of somebody else's user to one of his": {
			[]HistoryEvent{
				{Kind: accepted, User: "erin@two.test", IP: "192.0.2.1", Hello: "laptop", Conn: "c", TLS: "TLS 1.3", To: to("bob@one.test=bob@one.test", "y@elsewhere.test")},
				{Kind: delivered, To: to("y@elsewhere.test")},
			},
			"bob@one.test=bob@one.test",
		},
		"what one of his forwards": {
			[]HistoryEvent{
				{Kind: accepted, To: to("bob@one.test", "erin@two.test")},
				{Kind: forwarded, User: "bob@one.test", To: to("bob@elsewhere.test")},
				{Kind: delivered, To: to("bob@elsewhere.test")},
			},
			"bob@one.test|bob@elsewhere.test bob@one.test|bob@elsewhere.test",
		},
		"with a forged sender":    {[]HistoryEvent{{Kind: accepted, From: "bob@one.test", To: to("erin@two.test")}}, ""},
		"of others":               {[]HistoryEvent{{Kind: accepted, User: "erin@two.test", To: to("y@elsewhere.test")}, {Kind: delivered, To: to("y@elsewhere.test")}}, ""},
		"a guess at one of his":   {[]HistoryEvent{{Kind: failed, User: "bob@one.test", IP: "192.0.2.1"}}, " bob@one.test 192.0.2.1"},
		"a guess at somebody":     {[]HistoryEvent{{Kind: failed, User: "erin@two.test", IP: "192.0.2.1"}}, ""},
		"a guess, then a message": {[]HistoryEvent{{Kind: failed, User: "bob@one.test", To: to("z@elsewhere.test")}, {Kind: delivered, To: to("z@elsewhere.test")}}, ""},
		"a connection of nobody":  {[]HistoryEvent{{Kind: "connection refused", IP: "192.0.2.1"}}, ""},
	} {
		before, _ := json.Marshal(tc.events)
		part, his := c.part(MessageHistory{Events: tc.events})
		var got []string
		for _, e := range part.Events {
			words := []string{}
			for _, r := range e.To {
				word := r.Address
				if len(r.Accounts) > 0 {
					word += "=" + strings.Join(r.Accounts, ",")
				}
				words = append(words, word)
			}
			text := strings.Join(words, " ")
			for _, word := range []string{e.User, e.IP, e.Hello, e.Conn, e.TLS} {
				if word != "" {
					text += " " + word
				}
			}
			got = append(got, text)
		}
		if text := strings.Join(got, "|"); text != tc.want || his != (tc.want != "") {
			t.Errorf("%s:\n%s\nwant\n%s", name, text, tc.want)
		}
		if after, _ := json.Marshal(tc.events); string(after) != string(before) {
			t.Errorf("%s: the events themselves have changed", name)
		}
	}
}
