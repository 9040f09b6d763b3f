package smtpd

import (
	"io"
	"net/netip"
	"sync"
	"testing"

	"posthorn/internal/inbound"
	"posthorn/internal/obs"
	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

// events is a history in memory.
type events struct {
	mu  sync.Mutex
	all []obs.Event
}

func (e *events) Record(one *obs.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, *one)
}

// What a filter says of a message by XFORWARD stands in the history of this message, not
// of the next one.
func TestForwardedHistory(t *testing.T) {
	h := newHouse(t, scripted())
	history := &events{}
	server := wiretest.Start(t, wire.Options{Protocol: "smtp", Logger: h.log, Serve: New(Options{
		Role: inbound.MX, Hostname: "mail.example.test", Trusted: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")},
		Acceptor: inbound.New(inbound.Options{
			Hostname: "mail.example.test", Policy: scripted(), Directory: h.dir, Store: h.store, Recorder: history,
		}),
	}).Serve})
	nc := server.Dial()
	defer nc.Close()
	message := "MAIL FROM:<sender@remote.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n.\r\n"
	_, err := io.WriteString(nc, "EHLO filter.example.test\r\nXFORWARD ADDR=198.51.100.9 HELO=spike.remote.test\r\n"+message+message+"QUIT\r\n")
	h.must(err)
	_, err = io.ReadAll(nc)
	h.must(err)

	want := []struct{ remote, hello string }{{"198.51.100.9", "spike.remote.test"}, {"192.0.2.1", "filter.example.test"}}
	if len(history.all) != len(want) {
		t.Fatalf("events %+v", history.all)
	}
	for i, e := range history.all {
		if e.Kind != obs.Accepted || e.Remote.String() != want[i].remote || e.Hello != want[i].hello {
			t.Errorf("event %d: %+v", i, e)
		}
	}
}
