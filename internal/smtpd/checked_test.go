package smtpd

import (
	"strings"
	"testing"

	"posthorn/internal/dns/dnstest"
	"posthorn/internal/inbound"
	"posthorn/internal/transcript"
	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

// What clients notice of checks that go on while they talk. The server is "checked";
// "zone TEXT" says what its name servers know.
func TestCheckedTranscripts(t *testing.T) {
	transcript.Run(t, "testdata/checked/*.txtar", func(t *testing.T) transcript.Options {
		h := newHouse(t, scripted())
		names := dnstest.New(t, "")
		acceptor := inbound.New(inbound.Options{
			Hostname: "mail.example.test", Policy: scripted(), Directory: h.dir, Store: h.store,
			Resolver: names.Resolver(), TempDir: t.TempDir(),
		})
		h.servers["checked"] = wiretest.Start(t, wire.Options{
			Protocol: "smtp", Logger: h.log, PreAuthTimeout: Timeout,
			Serve: New(Options{Role: inbound.MX, Hostname: "mail.example.test", Acceptor: acceptor}).Serve,
		})
		commands := h.commands()
		commands["zone"] = func(args []string, texts map[string]string) error {
			names.Set(strings.ReplaceAll(texts[args[0]], "\r\n", "\n"))
			return nil
		}
		return transcript.Options{Dial: h.dial, Commands: commands}
	})
}
