package cli

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/smtp"
	"os"
	"time"

	"posthorn/internal/config"
)

// proof is one step that was proven.
type proof struct {
	Step         string  `json:"step"`
	Milliseconds float64 `json:"milliseconds"`
}

// prove sends a message and reads it back, over the real sockets, and says each
// step as it is done.
func (d *demo) prove() ([]proof, error) {
	secure, err := d.trust()
	if err != nil {
		return nil, err
	}
	message, id := demoMessage()
	var proven []proof
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"alice hands in a message for bob: submission, STARTTLS, AUTH", func() error { return d.submit(secure, message) }},
		{"bob reads it over IMAP, byte for byte the same", func() error { return d.readIMAP(secure, message, id) }},
		{"bob reads it over POP3, byte for byte the same", func() error { return d.readPOP3(secure, message) }},
	} {
		start := time.Now()
		if err := step.do(); err != nil {
			return nil, fmt.Errorf("not proven: %s: %w", step.name, err)
		}
		took := time.Since(start)
		proven = append(proven, proof{step.name, float64(took.Microseconds()) / 1000})
		d.say("  ✓ %-64s %6.1f ms\n", step.name, float64(took.Microseconds())/1000)
	}
	return proven, nil
}

// trust is a TLS configuration that trusts the demo's certificate and no other.
func (d *demo) trust() (*tls.Config, error) {
	text, err := os.ReadFile(d.config.TLS.Certificate)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("the demo's certificate cannot be read")
	}
	return &tls.Config{RootCAs: pool, ServerName: "localhost"}, nil
}

// demoMessage is a message that differs from all before it.
func demoMessage() (message []byte, id string) {
	id = "<" + rand.Text() + "@" + demoHostname + ">"
	return fmt.Appendf(nil, "From: Alice <%s>\r\nTo: Bob <%s>\r\nDate: %s\r\nMessage-ID: %s\r\n"+
		"Subject: =?utf-8?B?5L2g5aW9LCBCb2I=?=\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"+
		"Content-Transfer-Encoding: 8bit\r\n\r\n"+
		"你好! This message went in by submission.\r\n.\r\nThe dot above stood alone in its line.\r\n",
		demoAlice, demoBob, time.Now().Format(time.RFC1123Z), id), id
}

// submit hands the message in as alice.
func (d *demo) submit(secure *tls.Config, message []byte) error {
	c, err := smtp.Dial(d.address(config.Submission))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.StartTLS(secure); err != nil {
		return err
	}
	if err := c.Auth(smtp.PlainAuth("", demoAlice, d.passwords[demoAlice], "127.0.0.1")); err != nil {
		return err
	}
	if err := c.Mail(demoAlice); err != nil {
		return err
	}
	if err := c.Rcpt(demoBob); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(message); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return c.Quit()
}

// readIMAP reads the message as bob over IMAP.
func (d *demo) readIMAP(secure *tls.Config, message []byte, id string) error {
	c, err := dialLines(d.address(config.IMAPS), secure)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.expect("* OK"); err != nil {
		return err
	}
	for _, line := range []string{
		fmt.Sprintf("LOGIN %s %s", demoBob, d.passwords[demoBob]),
		"SELECT INBOX",
	} {
		if _, err := c.imap(line); err != nil {
			return err
		}
	}
	found, err := c.imap(fmt.Sprintf("SEARCH HEADER Message-ID %q", id))
	if err != nil {
		return err
	}
	var number int
	if _, err := fmt.Sscanf(found, "* SEARCH %d", &number); err != nil {
		return fmt.Errorf("SEARCH found nothing: %q", found)
	}
	if _, err := c.imap(fmt.Sprintf("FETCH %d BODY.PEEK[]", number)); err != nil {
		return err
	}
	if err := same(c.literal, message); err != nil {
		return err
	}
	_, err = c.imap("LOGOUT")
	return err
}

// readPOP3 reads the message, which is the last one, as bob over POP3.
func (d *demo) readPOP3(secure *tls.Config, message []byte) error {
	c, err := dialLines(d.address(config.POP3S), secure)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.expect("+OK"); err != nil {
		return err
	}
	for _, line := range []string{"USER " + demoBob, "PASS " + d.passwords[demoBob]} {
		if _, err := c.pop3(line); err != nil {
			return err
		}
	}
	status, err := c.pop3("STAT")
	if err != nil {
		return err
	}
	var number, size int
	if _, err := fmt.Sscanf(status, "+OK %d %d", &number, &size); err != nil {
		return fmt.Errorf("STAT says %q", status)
	}
	if _, err := c.pop3(fmt.Sprintf("RETR %d", number)); err != nil {
		return err
	}
	got, err := c.dotted()
	if err != nil {
		return err
	}
	if err := same(got, message); err != nil {
		return err
	}
	_, err = c.pop3("QUIT")
	return err
}

// same says that what was read is what was sent, behind the trace fields that the
// server puts before it.
func same(got, sent []byte) error {
	if !bytes.HasSuffix(got, sent) {
		return fmt.Errorf("%d bytes were sent, and what was read is not the same:\n%s", len(sent), got)
	}
	return nil
}
