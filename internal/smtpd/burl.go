package smtpd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"posthorn/internal/fault"
	"posthorn/internal/inbound"
	"posthorn/internal/smtpwire"
)

var (
	replyAuthFirst = smtpwire.NewReply(530, code{5, 7, 0}, "Authenticate first")
	replyNoURL     = smtpwire.NewReply(554, code{5, 6, 6}, "The URL names no message here, or no part of one")
	replyURLDenied = smtpwire.NewReply(554, code{5, 7, 0}, "The URL gives you no access, or does not any more")
	// RFC 5248 §2.4: X.7.14 takes the place of the X.7.8 of RFC 4468.
	replyURLTrust = smtpwire.NewReply(554, code{5, 7, 14}, "The URL needs URLAUTH (GENURLAUTH of IMAP makes one)")
)

// URLs opens what BURL names.
type URLs interface {
	// Open opens what a URL names on behalf of a user. Errors: Invalid (it is not the URL of
	// a message), Unsupported (one without proof), Denied, NotFound.
	Open(ctx context.Context, user, url string) (io.ReadCloser, error)
}

// fetches says whether messages may come by URL here: from users only (RFC 4468 §3.1).
func (s *session) fetches() bool { return s.Role == inbound.Submission && s.URLs != nil }

// fetchable is what BURL says. RFC 4468 §3.1: nothing, as long as authentication is
// required to use it. Hosts are not listed: URLs without URLAUTH are not resolved (§3.3).
func (s *session) fetchable() string {
	if s.user == "" {
		return ""
	}
	return "imap"
}

// burl takes a message, or a part of one, from a mailbox (RFC 4468 §3.2).
func (s *session) burl(ctx context.Context, args string) (smtpwire.Reply, error) {
	switch {
	case !s.fetches():
		return s.refuse(ctx, args)
	case s.user == "":
		return replyAuthFirst, nil
	}
	chunk, err := smtpwire.ParseURLChunk(args)
	if err != nil {
		s.reset(ctx) // the message would lack this part
		return badSyntax(err), nil
	}
	if s.chunks == nil {
		if reply := s.beginChunks(ctx); !reply.IsZero() {
			return reply, nil
		}
	}
	size := s.chunks.fetch(ctx, s, chunk.URL)
	return s.chunkTaken(ctx, smtpwire.Chunk{Size: size, Last: chunk.Last})
}

// fetch takes what a URL names into the message, and gives its size. RFC 4468 §3.2: if
// that fails, the transaction does: what follows is refused alike, up to its end.
func (c *chunks) fetch(ctx context.Context, s *session, url string) (size int64) {
	if c.refusal != nil {
		return 0
	}
	body, err := s.URLs.Open(ctx, s.user, url)
	if err == nil {
		size, err = io.Copy(c, body)
		body.Close() // nothing was written to it
	}
	var tooMuch *inbound.Refusal
	if err == nil || errors.As(err, &tooMuch) {
		c.refusal = c.content.Refused(ctx, c.ends())
		return size
	}
	s.log().Info("BURL failed", "error", err)
	c.content.Abort(ctx, fmt.Errorf("smtpd: BURL: %w", err))
	c.refusal = &inbound.Refusal{Rule: "unresolved URL", Reply: urlReply(err)}
	return size
}

// urlReply is what a client is told of a URL that cannot be resolved (RFC 4468 §6).
func urlReply(err error) smtpwire.Reply {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.NotFound:
		return replyNoURL
	case fault.Denied:
		return replyURLDenied
	case fault.Unsupported:
		return replyURLTrust
	}
	return faultReply(err)
}
