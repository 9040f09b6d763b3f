package inbound

import (
	"context"
	"io"
	"slices"

	"posthorn/internal/dkim"
	"posthorn/internal/queue"
	"posthorn/internal/store"
)

// signed is w, on the way to which a message that is to be signed is taken in, too.
// What goes to mailboxes here costs nothing.
func (c *Content) signed(w io.Writer) io.Writer {
	if !c.tx.leaves() || c.tx.session.peer.Role != Submission && !c.findings.MayRelay {
		return w // what others bring is not ours to vouch for
	}
	c.digest = dkim.NewDigest()
	return io.MultiWriter(w, c.digest)
}

// leaves says that the message goes elsewhere.
func (t *Transaction) leaves() bool {
	return slices.ContainsFunc(t.recipients, func(r recipient) bool { return r.foreign })
}

// sign makes the signatures of a message that goes elsewhere. One that cannot be
// signed goes without: that is no reason to keep it.
func (c *Content) sign(ctx context.Context, m *store.Message) []byte {
	if c.digest == nil {
		return nil
	}
	keys, err := c.signingKeys(ctx, m)
	var lines []byte
	if err == nil && len(keys) > 0 {
		lines, err = c.digest.Sign(c.began, keys...)
	}
	if err != nil {
		c.tx.unsigned(ctx, c.tx.id, err)
	}
	return lines
}

// unsigned tells that a message goes without.
func (t *Transaction) unsigned(ctx context.Context, id queue.ID, err error) {
	t.session.peer.Log.WarnContext(ctx, "a message goes without a signature", "id", id, "error", err)
}

// signNotices signs, of what is queued, that which the sender is told at once, if he is
// elsewhere.
func (t *Transaction) signNotices(ctx context.Context, queued []*queue.Message) {
	for _, m := range queued {
		if !m.From.IsZero() || t.from.IsZero() {
			continue // the message itself
		}
		here, err := t.o.Directory.IsLocal(ctx, t.from.Domain)
		var keys []dkim.Key
		if err == nil && !here {
			keys, err = t.o.Directory.SigningKeys(ctx, t.o.Hostname)
		}
		if err == nil && len(keys) > 0 {
			m.Header, err = dkim.Sign(m.Body.Data, m.Created, keys...)
		}
		if err != nil {
			t.unsigned(ctx, m.ID, err)
		}
	}
}

// signingKeys are those of its author's domain, which is what receivers look for
// (RFC 7489 §3.1.1), else of the reverse-path's; none if neither is ours.
func (c *Content) signingKeys(ctx context.Context, m *store.Message) ([]dkim.Key, error) {
	domains := make([]string, 0, 2)
	for _, author := range m.Parsed.Root.Envelope.From {
		if author.Host != "" { // which it is around groups
			domains = append(domains, author.Host)
			break
		}
	}
	for _, domain := range append(domains, c.tx.from.Domain) {
		keys, err := c.tx.o.Directory.SigningKeys(ctx, domain)
		if err != nil || len(keys) > 0 {
			return keys, err
		}
	}
	return nil, nil
}
