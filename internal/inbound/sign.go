package inbound

import (
	"context"
	"io"
	"slices"
	"time"

	"posthorn/internal/dkim"
	"posthorn/internal/queue"
	"posthorn/internal/store"
)

// signer is what a message that may have to be signed passes on its way to where it is
// kept. Which keys sign is known only at its end, and mostly there are none: so as long as
// it is in memory nothing is made of it here.
type signer struct {
	to     *store.Incoming
	begins int          // so many bytes of ours stand in front
	digest *dkim.Digest // of a message that does not stay in memory
}

func (s *signer) Write(p []byte) (int, error) {
	if s.digest == nil {
		if held, stays := s.to.Held(len(p)); !stays {
			s.digest = dkim.NewDigest()
			_, _ = s.digest.Write(held[min(s.begins, len(held)):]) // it never fails
		}
	}
	if s.digest != nil {
		_, _ = s.digest.Write(p)
	}
	return s.to.Write(p)
}

// sign makes the signatures of the whole message.
func (s *signer) sign(m *store.Message, at time.Time, keys []dkim.Key) ([]byte, error) {
	if s.digest != nil {
		return s.digest.Sign(at, keys...)
	}
	inline, _ := m.Body()
	return dkim.Sign(inline[s.begins:], at, keys...)
}

// signed is the way to incoming, where trace has gone already, of a message that may have
// to be signed. What goes to mailboxes here costs nothing.
func (c *Content) signed(trace int) io.Writer {
	if !c.tx.leaves() || c.tx.session.peer.Role != Submission && !c.findings.MayRelay {
		return c.incoming // what others bring is not ours to vouch for
	}
	c.signer = &signer{to: c.incoming, begins: trace}
	return c.signer
}

// leaves says that the message goes elsewhere.
func (t *Transaction) leaves() bool {
	return slices.ContainsFunc(t.recipients, func(r recipient) bool { return r.foreign })
}

// sign makes the signatures of a message that goes elsewhere. One that cannot be
// signed goes without: that is no reason to keep it.
func (c *Content) sign(ctx context.Context, m *store.Message) []byte {
	if c.signer == nil {
		return nil
	}
	keys, err := c.signingKeys(ctx, m)
	var lines []byte
	if err == nil && len(keys) > 0 {
		lines, err = c.signer.sign(m, c.began, keys)
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
