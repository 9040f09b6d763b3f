package inbound

import (
	"context"
	"fmt"
	"hash/fnv"
	"runtime/debug"
	"strings"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/dkim"
	"posthorn/internal/dmarc"
	"posthorn/internal/message"
	"posthorn/internal/spf"
)

// Authentication is what was found on the question whether a message is from whom
// it says.
type Authentication struct {
	Reverse Reverse        // of the client's address
	HELO    spf.Finding    // of the name that the client goes by
	SPF     spf.Finding    // of the reverse-path; HELO again if that is null
	DKIM    []dkim.Finding // of each signature
	DMARC   dmarc.Finding  // of the authors
}

// checkTime is how long each check may take. Those of the client begin with the
// first recipient, all others with the end of the header, so that nobody waits for
// longer than this after the end of a message.
const checkTime = 10 * time.Second

// authenticates says whether the senders of the session's messages are checked.
// Clients inside are ours, or the operator's word stands for them; those in private
// networks are in the house, too, and what SPF says of strangers' mail that they pass
// on would be wrong.
func (s *Session) authenticates() bool {
	ip := s.peer.Remote.Unmap()
	return s.acceptor.o.Resolver != nil && s.peer.Role == MX && !s.facts.Inside && s.user == "" &&
		ip.IsValid() && !ip.IsLoopback() && !ip.IsPrivate() && !ip.IsLinkLocalUnicast()
}

// Close ends what goes on for the session.
func (s *Session) Close() { s.sender.stop() }

// sender is what is being found out about a sender before there is a message. A nil
// one is of a sender who is not checked.
type sender struct {
	reverse *pending[Reverse]
	helo    *pending[spf.Finding]
	spf     *pending[spf.Finding] // nil: the reverse-path is null
}

// checkSender begins to look at who sends. It is called when there is a recipient:
// whoever only guesses addresses is not worth the lookups.
func (t *Transaction) checkSender(ctx context.Context) {
	s := t.session
	if !s.authenticates() {
		return
	}
	s.sender.stop()
	resolver, ip, hello, from := t.o.Resolver, s.peer.Remote, s.hello, t.from
	checker := spf.New(resolver)
	s.sender = &sender{
		reverse: begin(ctx, func(ctx context.Context) Reverse { return reverse(ctx, resolver, ip) }),
		helo:    begin(ctx, func(ctx context.Context) spf.Finding { return checker.Helo(ctx, ip, hello) }),
	}
	if !from.IsZero() {
		s.sender.spf = begin(ctx, func(ctx context.Context) spf.Finding { return checker.MailFrom(ctx, ip, hello, from) })
	}
}

// wait gives what was found.
func (s *sender) wait() *Authentication {
	if s == nil {
		return &Authentication{}
	}
	a := &Authentication{Reverse: s.reverse.wait(), HELO: s.helo.wait()}
	if a.SPF = a.HELO; s.spf != nil { // RFC 7208 §2.4
		a.SPF = s.spf.wait()
	}
	return a
}

// stop breaks off what still goes on.
func (s *sender) stop() {
	if s != nil {
		s.reverse.stop()
		s.helo.stop()
		s.spf.stop()
	}
}

// pending is a check in the background. A nil one is none.
type pending[T any] struct {
	cancel context.CancelFunc
	done   chan struct{}
	found  T
	panic  string // it has panicked; and where
}

// begin begins a check, which must end with its context. Whoever begins it has to
// wait for it or to stop it.
func begin[T any](ctx context.Context, check func(context.Context) T) *pending[T] {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	p := &pending[T]{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		defer cancel()
		defer func() {
			if r := recover(); r != nil {
				p.panic = fmt.Sprintf("%v\n%s", r, debug.Stack())
			}
		}()
		p.found = check(ctx)
	}()
	return p
}

// wait gives what was found. A panic of the check goes on here, where it is caught
// like any other of the connection.
func (p *pending[T]) wait() (found T) {
	if p == nil {
		return found
	}
	<-p.done
	if p.panic != "" {
		panic(p.panic)
	}
	return p.found
}

// stop breaks the check off if it still goes on.
func (p *pending[T]) stop() {
	if p != nil {
		p.cancel()
		<-p.done
	}
}

// authorDomains are the domains in a header's From fields, of which there should be
// one. Other addresses in them are none that a policy could be about.
func authorDomains(header []byte) []string {
	var all []string
	for f := range message.Fields(header) {
		if !strings.EqualFold(string(f.Name), "From") {
			continue
		}
		for _, author := range message.ParseAddressList(string(f.Value)) {
			domain, err := addr.CanonicalDomain(author.Host)
			if err == nil && strings.Contains(domain, ".") && domain[0] != '[' {
				all = append(all, domain)
			}
		}
	}
	return all
}

// evidence is what SPF and DKIM say, as DMARC wants to know it.
func (a *Authentication) evidence(id string) dmarc.Evidence {
	e := dmarc.Evidence{
		SPF:    dmarc.Identity{Domain: a.SPF.Domain, Pass: a.SPF.Result == spf.Pass, Unknown: a.SPF.Result == spf.TempError},
		Sample: sample(id),
	}
	for _, s := range a.DKIM {
		e.DKIM = append(e.DKIM, dmarc.Identity{Domain: s.Domain, Pass: s.Result == dkim.Pass, Unknown: s.Result == dkim.TempError})
	}
	return e
}

// sample is a number below 100 that a message has by chance, and always.
func sample(id string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // a hash never fails
	return int(h.Sum32() % 100)
}
