package acme

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthorn/internal/config"
	"posthorn/internal/dns/dnstest"
	"posthorn/internal/wire/wiretest"
	"posthorn/test/live"
)

var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "posthorn-acme-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if binary, err = live.Build(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

const (
	host  = "mail.example.test"
	other = "imap.example.test"
)

// world is a server with its authority.
type world struct {
	t         *testing.T
	authority *authority
	names     *dnstest.Server
	server    *live.Server
	imaps     string
	zone      string // where the authority finds our names
}

func newWorld(t *testing.T, challenge config.Challenge, life time.Duration) *world {
	t.Helper()
	answers := wiretest.Lonely(t)
	w := &world{t: t, zone: fmt.Sprintf("%s A %s\n%s A %[2]s\n", host, hostOf(answers), other)}
	w.names = dnstest.New(t, w.zone)
	w.names.TakeUpdates("example.test")
	w.authority = newAuthority(t, w.names, portOf(t, answers), life)
	key := filepath.Join(t.TempDir(), "acme.key")
	write(t, key, []byte(dnstest.UpdateKey))
	w.server = live.Install(t, live.Options{Binary: binary, Change: func(c *config.Config) {
		c.TLS = config.TLS{} // nothing to begin with
		c.ACME.Enabled, c.ACME.Challenge = true, challenge
		c.ACME.Directory, c.ACME.CA, c.ACME.Email = w.authority.Directory, w.authority.CA, "postmaster@example.test"
		c.ACME.Names = []string{other}
		if challenge == config.DNS01 {
			c.ACME.DNSServer, c.ACME.DNSKeyFile, c.ACME.DNSWait = w.names.Listen().String(), key, 0
		} else {
			c.Listeners = append(c.Listeners, config.Listener{Protocol: config.ForACME, Address: answers})
		}
	}})
	w.imaps = w.server.Addr(config.IMAPS)
	return w
}

// list is what the command says of certificates.
func (w *world) list() string {
	w.t.Helper()
	out, err := w.server.Command("certificate", "list", "--config", w.server.Config)
	if err != nil {
		w.t.Fatalf("posthorn certificate list: %v\n%s", err, out)
	}
	return string(out)
}

// awaitProven waits until a client believes that the server is who it says.
func (w *world) awaitProven(names ...string) {
	w.t.Helper()
	roots := w.authority.roots()
	for _, name := range names {
		await(w.t, "no certificate for "+name, func() bool { return proven(w.imaps, name, roots) == nil })
	}
}

// TestChallenges: by each challenge, certificates are issued for all names, renewed in
// time, without anybody's help and with the key that TLSA records name, and are there
// again after a restart at which nobody could issue one.
func TestChallenges(t *testing.T) {
	for _, challenge := range []config.Challenge{config.HTTP01, config.TLSALPN01, config.DNS01} {
		t.Run(string(challenge), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, challenge, 45*time.Second)
			w.server.Start(t)
			w.awaitProven(host, other)
			first := shown(t, w.imaps, host)
			await(t, "not renewed", func() bool { return !shown(t, w.imaps, host).Equal(first) })
			second := shown(t, w.imaps, host)
			if left := time.Until(first.NotAfter); left < 0 {
				t.Errorf("renewed %v after its end", -left)
			}
			if string(second.RawSubjectPublicKeyInfo) != string(first.RawSubjectPublicKeyInfo) {
				t.Error("the renewed certificate has another key: TLSA records in DNS would be wrong now")
			}
			if challenge == config.DNS01 {
				if n := w.names.Updates(); n < 6 || n%2 != 0 { // two names and a renewal, each record taken back
					t.Errorf("%d updates of DNS", n)
				}
			}
			w.server.Stop(t)
			w.authority.stop()
			w.server.Start(t)
			if got := shown(t, w.imaps, host); got.Issuer.CommonName == got.Subject.CommonName {
				t.Errorf("after a restart it shows one that signs itself: %v", got.DNSNames)
			}
			if said := w.list(); !strings.Contains(said, host) || !strings.Contains(said, "acme") {
				t.Errorf("certificate list:\n%s", said)
			}
		})
	}
}

// TestTrouble: without an authority the server serves, says what is wrong and does not
// insist; when the operator asks for it, it tries at once, also with an authority that
// has forgotten it.
func TestTrouble(t *testing.T) {
	w := newWorld(t, config.HTTP01, time.Hour)
	w.authority.stop()
	w.server.Start(t)
	if got := shown(t, w.imaps, host); len(got.DNSNames) != 1 || got.DNSNames[0] != host || got.Issuer.CommonName != host {
		t.Errorf("before there is a certificate it shows %v of %v", got.DNSNames, got.Issuer)
	}
	await(t, "nobody says that the authority is down", func() bool { return strings.Contains(w.list(), "attempt without a certificate") })
	if said := w.list(); !strings.Contains(said, "signs itself") || !strings.Contains(said, "connection refused") {
		t.Errorf("certificate list:\n%s", said)
	}
	out, err := w.server.Command("config", "check", "--config", w.server.Config)
	if err != nil || !strings.Contains(string(out), "warning: certificate for "+host) {
		t.Errorf("config check: %v\n%s", err, out)
	}
	w.renew()
	w.awaitMore(2)

	w.authority.start()
	w.renew()
	w.awaitProven(host, other)
	good := shown(t, w.imaps, host)

	w.names.Set(w.zone + host + " !servfail\n") // the name cannot be checked any more
	w.renew()
	await(t, "nobody says that the challenge failed", func() bool { return strings.Contains(w.list(), "could not resolve") })
	if !shown(t, w.imaps, host).Equal(good) {
		t.Error("the good certificate is not shown any more")
	}
	w.names.Set(w.zone)

	w.authority.stop()
	w.authority.start() // it has forgotten all accounts, and has another root
	w.renew()
	w.awaitProven(host, other)
	if said := w.list(); strings.Contains(said, "attempt") {
		t.Errorf("what went wrong before is still told:\n%s", said)
	}
}

func (w *world) renew() {
	w.t.Helper()
	if out, err := w.server.Command("certificate", "renew", "--config", w.server.Config); err != nil {
		w.t.Fatalf("posthorn certificate renew: %v\n%s", err, out)
	}
}

// awaitMore waits until the log tells of so many failures for the host.
func (w *world) awaitMore(n int) {
	w.t.Helper()
	await(w.t, "it was not tried again", func() bool {
		log, err := os.ReadFile(filepath.Join(w.server.Dir, "server.log"))
		return err == nil && strings.Count(string(log), `"msg":"an authority has issued no certificate","name":"`+host) >= n
	})
}
