package imapclient

import (
	"context"

	"posthorn/internal/imapwire"
)

// List gives the mailboxes whose names match a pattern, with their names in UTF-8.
func (c *Client) List(ctx context.Context, pattern string) (all []imapwire.ListEntry, err error) {
	o := imapwire.ListOptions{Patterns: []string{imapwire.EncodeUTF7(pattern)}}
	_, err = c.command(ctx, string(imapwire.AppendList([]byte("LIST "), &o)), func(r *imapwire.Response) bool {
		if r.Name == "LIST" {
			r.List.Name = imapwire.MailboxName(r.List.Name)
			all = append(all, r.List)
		}
		return r.Name == "LIST"
	})
	return all, err
}

// Create, Delete and Subscribe take names in UTF-8, as everything here does.
func (c *Client) Create(ctx context.Context, name string) error { return c.named(ctx, "CREATE", name) }

// Delete deletes a mailbox with all that is in it.
func (c *Client) Delete(ctx context.Context, name string) error { return c.named(ctx, "DELETE", name) }

// Subscribe subscribes to a mailbox.
func (c *Client) Subscribe(ctx context.Context, name string) error {
	return c.named(ctx, "SUBSCRIBE", name)
}

func (c *Client) named(ctx context.Context, command, name string) error {
	_, err := c.command(ctx, string(imapwire.AppendMailbox([]byte(command+" "), name)), nil)
	return err
}

// Status asks for numbers of a mailbox.
func (c *Client) Status(ctx context.Context, name string, items imapwire.StatusItems) (status imapwire.MailboxStatus, err error) {
	b := append(imapwire.AppendMailbox([]byte("STATUS "), name), ' ')
	_, err = c.command(ctx, string(imapwire.AppendStatusItems(b, items)), func(r *imapwire.Response) bool {
		if r.Name == "STATUS" {
			status = r.Status
			status.Name = imapwire.MailboxName(status.Name)
		}
		return r.Name == "STATUS"
	})
	return status, err
}

// Mailbox is what the server says when a mailbox is selected.
type Mailbox struct {
	Name                  string
	Messages              uint32
	UIDValidity, UIDNext  uint32
	HighestModSeq         uint64 // 0: the mailbox does not keep them
	Flags, PermanentFlags []string
	ReadOnly              bool
	Vanished              imapwire.NumSet // of a SELECT with QRESYNC
	hasPermanent          bool
}

// Select opens a mailbox (EXAMINE: for reading only). With QRESYNC in the options,
// messages that have changed since go to Options.OnFlags.
func (c *Client) Select(ctx context.Context, name string, readOnly bool, o imapwire.SelectOptions) (*Mailbox, error) {
	m := &Mailbox{Name: name}
	command := "SELECT "
	if readOnly {
		command = "EXAMINE "
	}
	b := imapwire.AppendMailbox([]byte(command), name)
	r, err := c.command(ctx, string(imapwire.AppendSelect(b, &o)), m.take)
	if err != nil {
		return nil, err
	}
	m.ReadOnly = readOnly || r.Code.Name == "READ-ONLY"
	if !m.hasPermanent { // RFC 3501 §7.1: then all flags are permanent
		m.PermanentFlags = m.Flags
	}
	return m, nil
}

func (m *Mailbox) take(r *imapwire.Response) bool {
	switch r.Name {
	case "EXISTS":
		m.Messages = r.Number
	case "FLAGS":
		m.Flags = r.Words
	case "VANISHED":
		m.Vanished.Ranges = append(m.Vanished.Ranges, r.Set.Ranges...)
	case "OK":
		switch r.Code.Name {
		case "UIDVALIDITY":
			m.UIDValidity = uint32(r.Code.Number)
		case "UIDNEXT":
			m.UIDNext = uint32(r.Code.Number)
		case "HIGHESTMODSEQ":
			m.HighestModSeq = r.Code.Number
		case "PERMANENTFLAGS":
			m.PermanentFlags, m.hasPermanent = r.Words, true
		default:
			return false
		}
	default:
		return false
	}
	return true
}
