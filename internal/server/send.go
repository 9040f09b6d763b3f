package server

import (
	"context"
	"errors"
	"io"
	"strings"

	"posthorn/internal/addr"
	"posthorn/internal/admin"
	"posthorn/internal/config"
	"posthorn/internal/dsn"
	"posthorn/internal/fault"
	"posthorn/internal/inbound"
	"posthorn/internal/smtpwire"
)

// send accepts a message from a program on this machine that may open the control
// socket, as if a user had submitted it; all of its recipients get it, or none.
func (s *Server) send(ctx context.Context, e admin.Envelope, message io.Reader) (admin.Sent, error) {
	s.mu.Lock()
	c := s.config
	s.mu.Unlock()
	acceptor := s.acceptor(s.settings(c, config.Listener{Protocol: config.Submission}))
	session := acceptor.NewSession(inbound.Peer{Role: inbound.Submission, Trusted: true, Conn: "sendmail", Log: s.log.With("conn", "sendmail")})
	defer session.Close()
	err := session.Hello(ctx, "localhost", true)
	var tx *inbound.Transaction
	if err == nil {
		tx, err = s.envelope(ctx, session, e, c.Hostname)
	}
	if err == nil {
		err = hand(ctx, tx.Receive(ctx), message)
	}
	if err != nil {
		return admin.Sent{}, asFault(err)
	}
	return admin.Sent{ID: tx.ID()}, nil
}

// envelope begins the transaction of a message.
func (s *Server) envelope(ctx context.Context, session *inbound.Session, e admin.Envelope, hostname string) (*inbound.Transaction, error) {
	domain, err := s.ownDomain(ctx, hostname)
	if err != nil {
		return nil, err
	}
	from, err := whole(e.From, domain)
	if err != nil {
		return nil, err
	}
	p := inbound.MailParams{EnvelopeID: e.EnvelopeID, UTF8: !from.IsASCII()}
	if e.Name != "" && !from.IsZero() {
		p.Author = addr.Phrase(e.Name) + " <" + from.String() + ">"
	}
	if e.Return != "" {
		if p.Return, err = dsn.ParseReturn(e.Return); err != nil {
			return nil, err
		}
	}
	var r inbound.RcptParams
	if e.Notify != "" {
		if r.Notify, err = dsn.ParseNotify(e.Notify); err != nil {
			return nil, err
		}
	}
	recipients := make([]addr.Address, len(e.To))
	for i, to := range e.To {
		if recipients[i], err = whole(to, domain); err != nil {
			return nil, err
		}
		p.UTF8 = p.UTF8 || !recipients[i].IsASCII()
	}
	if len(recipients) == 0 {
		return nil, fault.New(fault.Invalid, "the message has no recipients")
	}
	tx, err := session.Mail(ctx, from, p)
	for _, to := range recipients {
		if err == nil {
			err = tx.Rcpt(ctx, to, r)
		}
	}
	return tx, err
}

// ownDomain is what completes addresses without a domain: the name of this server if
// that has mailboxes, else the closest domain above it that has.
func (s *Server) ownDomain(ctx context.Context, hostname string) (string, error) {
	for domain, more := hostname, true; more; _, domain, more = strings.Cut(domain, ".") {
		if local, err := s.data.Directory.IsLocal(ctx, domain); local || err != nil {
			return domain, err
		}
	}
	return hostname, nil
}

// whole reads an address, which may lack its domain.
func whole(text, domain string) (addr.Address, error) {
	switch {
	case text == "":
		return addr.Address{}, nil
	case !strings.Contains(text, "@"):
		text += "@" + domain
	}
	return addr.Parse(text)
}

// hand gives the message to its content.
func hand(ctx context.Context, content *inbound.Content, message io.Reader) error {
	var lines smtpwire.LineReader
	buf := make([]byte, 32<<10)
	for {
		n, err := message.Read(buf)
		lines.Feed(buf[:n])
		if _, err := content.Write(buf[:n]); err != nil {
			content.Abort(ctx, err)
			return err
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			err = fault.New(fault.Unavailable, "the message broke off: %w", err)
			content.Abort(ctx, err)
			return err
		}
	}
	lines.Finish()
	_, err := content.Commit(ctx, inbound.LineEnds{BareCR: lines.BareCR, BareLF: lines.BareLF})
	return err
}

// asFault puts a refusal into words for the program that sends.
func asFault(err error) error {
	var refusal *inbound.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	kind := fault.Denied
	switch {
	case refusal.Reply.Code < 500:
		kind = fault.Unavailable
	case refusal.Rule == inbound.RuleUnknownRecipient:
		kind = fault.NotFound
	case refusal.Rule == inbound.RuleMessageTooLarge:
		kind = fault.TooLarge
	}
	return fault.New(kind, "%s", strings.Join(refusal.Reply.Lines, " "))
}
