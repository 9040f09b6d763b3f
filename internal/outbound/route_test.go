package outbound

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"posthorn/internal/smtpclient"
)

func TestFind(t *testing.T) {
	routes := []Route{
		{Name: "all", Domains: []string{"*"}},
		{Name: "below", Domains: []string{".example.test", "other.test"}},
		{Name: "deep", Domains: []string{".sub.example.test"}},
		{Name: "exact", Domains: []string{"www.example.test"}},
		{Name: "again", Domains: []string{"other.test"}},
		{Name: "chosen"},
	}
	for _, host := range []string{"mail.remote.test:25", "192.0.2.1:2525", "[2001:db8::1]:25"} {
		if got := find(routes, host); got.Transport != SmartHost || got.Hosts[0] != host {
			t.Errorf("%s goes by %+v", host, got)
		}
	}
	for destination, want := range map[string]string{
		"remote.test": "all", "example.test": "all", "a.example.test": "below", "other.test": "below",
		"x.sub.example.test": "deep", "www.example.test": "exact", "chosen": "chosen", "exact": "exact", "[192.0.2.1]": "all", "[IPv6:2001:db8::1]": "all",
	} {
		if got := find(routes, destination); got.Name != want {
			t.Errorf("%s goes by %s, want %s", destination, got.Name, want)
		}
	}
	if got := find(routes[1:], "remote.test"); got.Name != "" || got.Transport != ByMX {
		t.Errorf("without a route: %+v", got)
	}
}

func TestRouteTargets(t *testing.T) {
	for _, tc := range []struct {
		r    Route
		want string
	}{
		{Route{Transport: SmartHost, Hosts: []string{"a.test", "b.test:2525"}}, "a.test 25, b.test 2525"},
		{Route{Transport: SmartHost, Hosts: []string{"a.test"}, Auth: &smtpclient.Credentials{}}, "a.test 587"},
		{Route{Transport: SmartHost, Hosts: []string{"a.test"}, ImplicitTLS: true}, "a.test 465"},
		{Route{Transport: SmartHost, Hosts: []string{"192.0.2.1", "192.0.2.1:26", "[2001:db8::1]", "[2001:db8::1]:26"}}, "192.0.2.1 25 [192.0.2.1], 192.0.2.1 26 [192.0.2.1], 2001:db8::1 25 [2001:db8::1], 2001:db8::1 26 [2001:db8::1]"},
		{Route{Transport: LMTP, Hosts: []string{"a.test", "unix:/run/lmtp"}}, "a.test 24, unix:/run/lmtp /run/lmtp"},
	} {
		var got []string
		for _, t := range tc.r.targets() {
			text := fmt.Sprint(t.host, " ", t.port)
			if t.socket != "" {
				text = t.host + " " + t.socket
			}
			if t.addrs != nil {
				text += fmt.Sprint(" ", t.addrs)
			}
			got = append(got, text)
		}
		if got := strings.Join(got, ", "); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
	}
}

func TestRoutes(t *testing.T) {
	const zone = "mail.example.test A 192.0.2.1\nsmart1.test A 192.0.2.1\nsmart2.test A 192.0.2.2\nremote.test MX 10 mx.remote.test.\nmx.remote.test A 192.0.2.9"
	secret := &smtpclient.Credentials{User: "us", Password: "secret"}
	for _, tc := range []struct {
		name    string
		route   Route
		servers map[string]string
		dialed  string
		want    string
		said    string // a command that the last server must have heard
	}{
		{
			name: "smart host", route: Route{Transport: SmartHost, Hosts: []string{"smart1.test", "smart2.test"}},
			servers: map[string]string{"192.0.2.1": ""},
			dialed:  "192.0.2.1", want: "accepted: 250 2.0.0 Taken (smart1.test [192.0.2.1])", said: "EHLO our.example.test",
		},
		{
			name: "the second smart host", route: Route{Transport: SmartHost, Hosts: []string{"smart1.test", "smart2.test"}},
			servers: map[string]string{"192.0.2.2": ""},
			dialed:  "192.0.2.1 192.0.2.2", want: "accepted: 250 2.0.0 Taken (smart2.test [192.0.2.2])",
		},
		{
			name: "with a name and an address for this route", route: Route{
				Transport: SmartHost, Hosts: []string{"smart1.test"}, Hostname: "other.example.test",
				Source: []netip.Addr{netip.MustParseAddr("2001:db8::5"), netip.MustParseAddr("198.51.100.5")},
			},
			servers: map[string]string{"192.0.2.1": ""},
			dialed:  "198.51.100.5>192.0.2.1", want: "accepted: 250 2.0.0 Taken (smart1.test [192.0.2.1])", said: "EHLO other.example.test",
		},
		{
			name: "with a password", route: Route{Transport: SmartHost, Hosts: []string{"mail.example.test:25"}, Auth: secret},
			servers: map[string]string{"192.0.2.1": "offers: STARTTLS, AUTH PLAIN"},
			dialed:  "192.0.2.1", want: "accepted: 250 2.0.0 Taken (mail.example.test [192.0.2.1])", said: "AUTH PLAIN AHVzAHNlY3JldA==",
		},
		{
			name: "with a wrong password: mail must not bounce", route: Route{Transport: SmartHost, Hosts: []string{"mail.example.test:25"}, Auth: secret},
			servers: map[string]string{"192.0.2.1": "offers: STARTTLS, AUTH PLAIN\nAUTH: 535 5.7.8 No"},
			dialed:  "192.0.2.1", want: "unreachable: 535 5.7.8 No (mail.example.test [192.0.2.1])",
		},
		{
			name: "with a password, to somebody else", route: Route{Transport: SmartHost, Hosts: []string{"smart1.test:25"}, Auth: secret},
			servers: map[string]string{"192.0.2.1": "offers: STARTTLS, AUTH PLAIN"},
			dialed:  "192.0.2.1", want: "unreachable: 451 4.7.10 smart1.test [192.0.2.1], at STARTTLS: TLS fails: tls: failed to verify certificate: x509: certificate is valid for mail.example.test, not smart1.test",
		},
		{
			name: "with a password, to a server in clear", route: Route{Transport: SmartHost, Hosts: []string{"mail.example.test:25"}, Auth: secret},
			servers: map[string]string{"192.0.2.1": "offers: AUTH PLAIN"},
			dialed:  "192.0.2.1", want: "unreachable: 451 4.7.10 mail.example.test [192.0.2.1], at STARTTLS: the server does not offer STARTTLS, which is required here",
		},
		{
			name: "with a password, in a closed network", route: Route{Transport: SmartHost, Hosts: []string{"smart1.test:25"}, Auth: secret, PlaintextAuth: true},
			servers: map[string]string{"192.0.2.1": "offers: AUTH PLAIN"},
			dialed:  "192.0.2.1", want: "accepted: 250 2.0.0 Taken (smart1.test [192.0.2.1])", said: "AUTH PLAIN AHVzAHNlY3JldA==",
		},
		{
			name: "smart host without address", route: Route{Transport: SmartHost, Hosts: []string{"nowhere.test"}},
			want: "unreachable: 451 4.4.4 nowhere.test has no address",
		},
		{
			name: "smart host on this machine", route: Route{Transport: SmartHost, Hosts: []string{us}},
			servers: map[string]string{us: ""},
			dialed:  us, want: "accepted: 250 2.0.0 Taken ([" + us + "])",
		},
		{
			name: "TLS on a way that has none", route: Route{TLS: smtpclient.TLSRequired},
			servers: map[string]string{"192.0.2.9": ""},
			dialed:  "192.0.2.9", want: "unreachable: 451 4.7.10 mx.remote.test [192.0.2.9], at STARTTLS: the server does not offer STARTTLS, which is required here",
		},
		{
			name: "LMTP on a socket", route: Route{Transport: LMTP, Hosts: []string{"unix:/run/lmtp"}},
			servers: map[string]string{"/run/lmtp": ""},
			dialed:  "/run/lmtp", want: "accepted: 250 2.0.0 Taken (unix:/run/lmtp), mailbox", said: "LHLO our.example.test",
		},
		{
			name: "LMTP, mailbox full", route: Route{Transport: LMTP, Hosts: []string{"smart1.test:25"}},
			servers: map[string]string{"192.0.2.1": "end: 452 4.2.2 Full"},
			dialed:  "192.0.2.1", want: "deferred: 452 4.2.2 Full (smart1.test [192.0.2.1])",
		},
		{
			name: "no socket", route: Route{Transport: LMTP, Hosts: []string{"unix:/run/lmtp"}},
			dialed: "/run/lmtp", want: "unreachable: 451 4.4.1 unix:/run/lmtp does not answer: dial unix /run/lmtp: connection refused",
		},
		{
			name: "into nothing", route: Route{Name: "void", Transport: Discard},
			want: "accepted: 250 2.0.0 Discarded by the route void",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tc.route.Domains = []string{"remote.test"}
				w := newWorld(t, zone, tc.servers, func(o *Options) { o.Routes = []Route{tc.route} })
				if s := w.servers["192.0.2.1"]; s != nil {
					w.out.o.Roots = s.TLS().RootCAs
				}
				if got := w.deliver(mail("bob@remote.test")); got != tc.want {
					t.Errorf("got  %s\nwant %s", got, tc.want)
				}
				if got := w.dials(); got != tc.dialed {
					t.Errorf("dialed %s, want %s", got, tc.dialed)
				}
				heard := false
				for _, s := range w.servers {
					for _, line := range s.Said() {
						heard = heard || line == tc.said
					}
				}
				if tc.said != "" && !heard {
					t.Errorf("nobody heard %q", tc.said)
				}
			})
		})
	}
}

// Where the operator has sent a message. What is wrong with such a place is no fault
// of the message's.
func TestChosenDestinations(t *testing.T) {
	const zone = "other.test MX 10 mx.other.test.\nmx.other.test A 192.0.2.1\nhost.test A 192.0.2.2\n" +
		"null.test MX 0 .\nremote.test MX 10 host.test.\nself.test MX 10 our.example.test."
	for destination, want := range map[string]string{
		"other.test":         "accepted: 250 2.0.0 Taken (mx.other.test [192.0.2.1])",
		"host.test":          "accepted: 250 2.0.0 Taken (host.test [192.0.2.2])",
		"host.test:2525":     "accepted: 250 2.0.0 Taken (host.test [192.0.2.2])",
		"192.0.2.1:25":       "accepted: 250 2.0.0 Taken ([192.0.2.1])",
		"[2001:db8::1]:25":   "unreachable: 451 4.4.1 2001:db8::1 does not answer: dial tcp [2001:db8::1]:25: connection refused",
		"route":              "accepted: 250 2.0.0 Discarded by the route route",
		"null.test":          "unreachable: 451 4.4.4 The domain null.test takes no mail (null MX) (the administrator has sent the message there)",
		"nowhere.test":       "unreachable: 451 4.4.4 The domain nowhere.test does not exist (the administrator has sent the message there)",
		"self.test":          "unreachable: 451 4.4.4 The mail for self.test is to come to this server, which does not have it (the administrator has sent the message there)",
		"gone.host.test:587": "unreachable: 451 4.4.4 gone.host.test has no address",
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, zone, map[string]string{"192.0.2.1": "", "192.0.2.2": "", "192.0.2.2:2525": ""}, func(o *Options) {
				o.Routes = []Route{{Name: "route", Transport: Discard}}
			})
			task := mail("bob@remote.test")
			task.destination = destination
			if got := w.deliver(task); got != want {
				t.Errorf("to %s: %s\nwant %s", destination, got, want)
			}
		})
	}
}
