package server

import (
	"time"

	"posthorn/internal/config"
	"posthorn/internal/imapd"
	"posthorn/internal/inbound"
	"posthorn/internal/smtpd"
	"posthorn/internal/wire"
)

// face puts the server for a listener together: what all protocols have in common,
// and then its own.
func (s *Server) face(set settings) wire.Options {
	l := set.Listener
	o := wire.Options{
		Protocol:      string(l.Protocol),
		TLS:           s.tls(set),
		ImplicitTLS:   l.Protocol.ImplicitTLS(),
		ProxyFrom:     l.ProxyProtocol,
		Exempt:        set.Limits.Exempt,
		MaxConns:      set.Limits.MaxConns,
		MaxConnsPerIP: set.Limits.MaxConnsPerIP,
		Refuse:        s.refuse(set),
		Sessions:      s.sessions,
		Logger:        s.log,
	}
	switch l.Protocol {
	case config.SMTP, config.LMTP, config.Submission, config.Submissions:
		s.smtp(&o, set)
	case config.IMAP, config.IMAPS:
		s.imap(&o, set)
	case config.POP3, config.POP3S:
		s.pop3(&o, set)
	case config.ForACME:
		s.acme(&o, set)
	}
	return o
}

func (s *Server) smtp(o *wire.Options, set settings) {
	l := set.Listener
	role := inbound.Submission
	switch l.Protocol {
	case config.SMTP:
		role = inbound.MX
	case config.LMTP:
		role = inbound.LMTP
	}
	// RFC 5321 §4.5.3.2.7: a server waits for five minutes at least.
	o.PreAuthTimeout, o.IdleTimeout = 5*time.Minute, 5*time.Minute
	if l.Protocol.LogsIn() {
		o.PreAuthTotal = 5 * time.Minute
	}
	o.Busy = "421 4.7.0 " + set.Hostname + " Too many connections, try again later\r\n"
	o.Serve = smtpd.New(smtpd.Options{
		Role:     role,
		Hostname: set.Hostname,
		Gate:     s.gate(set),
		URLs:     imapd.URLs{Store: s.data.Store},
		Trusted:  l.XClient,
		Acceptor: s.acceptor(set),
	}).Serve
}

// acceptor is what decides about mail that comes in.
func (s *Server) acceptor(set settings) *inbound.Acceptor {
	return inbound.New(inbound.Options{
		Hostname: set.Hostname, Policy: policy(set), Directory: s.data.Directory, Store: s.data.Store,
		Relay: s.relay != nil, Resolver: s.resolver, TempDir: s.tempDir,
		Recorder: s.data.metrics.Counts, Abuse: s.watch(),
		Allow: s.register.allow, Deny: s.register.deny, Rates: s.register.rates, Known: s.register.known,
	})
}

func (s *Server) imap(o *wire.Options, set settings) {
	// RFC 9051 §5.4: thirty minutes at least once logged in, which is wire's default.
	o.PreAuthTotal = 3 * time.Minute
	o.Busy = imapd.Busy
	var quirks []imapd.Quirk
	for _, q := range set.Quirks {
		quirks = append(quirks, imapd.Quirk(q))
	}
	options := imapd.Options{
		Store:      s.data.Store,
		Gate:       s.gate(set),
		Directory:  people{s.data.Directory},
		Recorder:   s.data.Audit,
		Quirks:     quirks,
		MaxMessage: set.Limits.MaxMessageSize,
		Admin:      "postmaster@" + set.Hostname,

		Administrators: set.IMAP.Administrators,
		MessageLimit:   set.IMAP.MessageLimit,
		SaveLimit:      set.IMAP.SaveLimit,
		Referrals:      set.IMAP.Referrals,
	}
	if s.indexing {
		options.Index = s.data.Index
	}
	o.Serve = imapd.New(options).Serve
}
