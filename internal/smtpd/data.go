package smtpd

import (
	"context"
	"errors"

	"posthorn/internal/inbound"
	"posthorn/internal/smtpwire"
)

var (
	replyStart = smtpwire.NewReply(354, code{}, "Send the message, and a dot on a line of its own at its end")
	// RFC 2920 §3.1: a client that pipelines sends DATA although all recipients were refused.
	replyNobody = smtpwire.NewReply(554, code{5, 5, 1}, "No recipient was accepted")
)

// data receives a message (RFC 5321 §4.1.1.4).
func (s *session) data(ctx context.Context, args string) (smtpwire.Reply, error) {
	switch {
	case args != "":
		return replyNoArgs, nil
	case s.chunks != nil: // RFC 3030 §2
		return replyChunked, nil
	case s.tx != nil && s.tx.IsBinary():
		return replyBinary, nil
	}
	if reply := s.beforeContent(); !reply.IsZero() {
		return reply, nil
	}
	// RFC 5321 §4.1.1.4: whatever comes of it, the transaction is over.
	tx := s.tx
	s.reset(ctx)

	content := tx.Receive(ctx)
	s.say(replyStart)
	ends, err := s.receive(content)
	if err != nil {
		content.Abort(ctx, err)
		return brokenOff(err), err
	}
	results, err := content.Commit(ctx, ends)
	return s.ended(tx, results, err)
}

// beforeContent says why no message may come now. The reply is zero if it may.
func (s *session) beforeContent() smtpwire.Reply {
	switch {
	case s.tx == nil:
		return replyNoMail
	case s.tx.Recipients() == 0 && s.refused > 0 && s.Role != inbound.LMTP:
		return replyNobody
	case s.tx.Recipients() == 0: // RFC 2033 §4.2: for LMTP it must be 503
		return replyNoRcpt
	}
	return smtpwire.Reply{}
}

// ended is the reply to a message that has come to its end.
func (s *session) ended(tx *inbound.Transaction, results []error, err error) (smtpwire.Reply, error) {
	switch {
	case s.Role == inbound.LMTP:
		return s.results(tx, results, err), nil
	case err != nil:
		return s.refusal(err)
	}
	s.conn.Forgive()
	return smtpwire.NewReply(250, code{2, 0, 0}, "Accepted as "+tx.ID()), nil
}

// receive lends the connection's buffer to the dot reader until the message ends.
func (s *session) receive(content *inbound.Content) (inbound.LineEnds, error) {
	var dots smtpwire.DotReader
	for {
		for p := s.conn.Buffered(); len(p) > 0; p = s.conn.Buffered() {
			out, consumed, done := dots.Feed(p)
			_, err := content.Write(out)
			s.conn.Discard(consumed)
			if done || err != nil {
				return inbound.LineEnds{BareCR: dots.BareCR, BareLF: dots.BareLF}, err
			}
		}
		if err := s.conn.Fill(); err != nil {
			return inbound.LineEnds{}, err
		}
	}
}

// brokenOff gives the last words to a client whose message did not come to its end.
func brokenOff(err error) smtpwire.Reply {
	var refusal *inbound.Refusal
	if errors.As(err, &refusal) {
		return refusal.Reply
	}
	reply, _ := unread(err)
	return reply
}

// results says what became of each recipient (RFC 2033 §4.2: one reply for each
// RCPT that was accepted, in their order), and returns the last of the replies.
func (s *session) results(tx *inbound.Transaction, results []error, err error) smtpwire.Reply {
	var last smtpwire.Reply
	for i, to := range tx.Accepted() {
		s.say(last)
		switch {
		case err != nil:
			last = failed(err)
		case results[i] != nil:
			last = failed(results[i])
		default:
			last = smtpwire.NewReply(250, code{2, 1, 5}, "<"+to.String()+"> has it as "+tx.ID())
		}
	}
	return last
}
