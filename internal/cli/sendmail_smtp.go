package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"strings"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/smtpclient"
	"posthorn/internal/smtpwire"
)

// submitTime bounds how long a server may take to be connected to.
const submitTime = 30 * time.Second

// submit hands a message over by SMTP. hostname completes addresses without a domain;
// if it is not known, the name of this machine does.
func (e *environment) submit(o *sendmailOptions, l *letter, address, hostname string) error {
	if hostname == "" {
		hostname, _ = os.Hostname()
		hostname = or(hostname, "localhost")
	}
	m, err := o.envelope(hostname)
	if err != nil {
		return err
	}
	author := ""
	if !m.From.IsZero() {
		author = "<" + m.From.String() + ">"
	}
	if author != "" && o.name != "" {
		author = addr.Phrase(o.name) + " " + author
	}
	l.complete(author, time.Now(), strings.ToLower(rand.Text())+"@"+hostname)
	dialer := net.Dialer{Timeout: submitTime}
	nc, err := dialer.DialContext(e.ctx, "tcp", address)
	if err != nil {
		return fault.New(fault.Unavailable, "%w; nothing was sent, try again when the server runs", err)
	}
	client, err := smtpclient.Open(e.ctx, nc, smtpclient.Options{Hostname: hostname, TLS: smtpclient.TLSNever})
	if err != nil {
		return err
	}
	defer client.Close()
	err = outcome(m, client.Send(e.ctx, m, l.reader()))
	client.Quit(context.WithoutCancel(e.ctx))
	return err
}

// envelope makes the envelope of a message.
func (o *sendmailOptions) envelope(hostname string) (*smtpclient.Message, error) {
	m := &smtpclient.Message{Body: smtpclient.Body8Bit, Ret: strings.ToUpper(o.returns), EnvID: smtpwire.EncodeXtext(o.envelopeID)}
	var err error
	if m.From, err = wholeAddress(*o.from, hostname); err != nil {
		return nil, err
	}
	for _, text := range o.recipients {
		to, err := wholeAddress(text, hostname)
		if err != nil {
			return nil, err
		}
		m.To = append(m.To, smtpclient.Recipient{To: to, Notify: strings.ToUpper(o.notify)})
	}
	return m, nil
}

// outcome says who could not be served, and why; the gravest error counts.
func outcome(m *smtpclient.Message, outcomes []smtpclient.Outcome) error {
	var texts []string
	kind := fault.Unavailable
	for i, o := range outcomes {
		if o.Err == nil {
			continue
		}
		var refused *smtpclient.Error
		switch {
		case errors.As(o.Err, &refused) && refused.Reply.Enhanced == (smtpwire.EnhancedCode{5, 1, 1}):
			kind = fault.NotFound
		case !fault.Is(o.Err, fault.Unavailable) && kind == fault.Unavailable:
			kind = fault.KindOf(o.Err)
		}
		texts = append(texts, m.To[i].To.String()+": "+o.Err.Error())
	}
	if len(texts) == 0 {
		return nil
	}
	return fault.New(kind, "%s", strings.Join(texts, "\n  "))
}

// onThisMachine is how to reach a listener from here.
func onThisMachine(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port)
}
