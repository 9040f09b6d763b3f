package smtpd

import (
	"context"
	"io"
	"strings"
	"testing/iotest"

	"posthorn/internal/fault"
)

// mailboxes are what the transcripts of BURL take messages from, by what the URL ends in.
type mailboxes map[string]string

func (h *house) urls() URLs {
	return mailboxes{
		"message": "Subject: whole\r\n\r\ntext\r\n",
		"part":    "AQAD",
		"cr":      "one\rtwo\r\n",
		"binary":  "\x00\n\r",
		"large":   strings.Repeat("large\r\n", 10_000),
		"huge":    strings.Repeat("huge\r\n", 50_000),
	}
}

// Open is of URLs. All is alice's.
func (m mailboxes) Open(_ context.Context, user, url string) (io.ReadCloser, error) {
	_, name, _ := strings.Cut(url, "imap://h/")
	text, ok := m[name]
	switch {
	case user != "alice@example.test":
		return nil, fault.New(fault.Denied, "test: not for %s", user)
	case ok:
		return io.NopCloser(strings.NewReader(text)), nil
	}
	switch name {
	case "plain":
		return nil, fault.New(fault.Unsupported, "test: no URLAUTH")
	case "gone":
		return nil, fault.New(fault.NotFound, "test: gone")
	case "torn":
		torn := iotest.ErrReader(fault.New(fault.Corrupt, "test: the disk is torn"))
		return io.NopCloser(io.MultiReader(strings.NewReader("Subject: torn\r\n"), torn)), nil
	}
	return nil, fault.New(fault.Invalid, "test: no URL of a message")
}
