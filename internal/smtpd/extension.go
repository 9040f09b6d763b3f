package smtpd

import (
	"strconv"

	"posthorn/internal/inbound"
	"posthorn/internal/smtpwire"
)

// extension is what EHLO tells of, and what that adds to MAIL and RCPT (RFC 5321
// §2.2). It is offered or not, as a whole: what EHLO does not list is not understood.
type extension struct {
	name    string
	offered func(*session) bool   // nil: always
	value   func(*session) string // what follows the name in EHLO; nil: nothing
	mail    []mailParam
	rcpt    []rcptParam
}

// mailParam is a parameter of MAIL. It is read into what inbound gets to know; the
// reply is zero if all is well. The value is empty if there is none.
type mailParam struct {
	keyword string
	read    func(s *session, p *inbound.MailParams, value string) smtpwire.Reply
}

// rcptParam is a parameter of RCPT.
type rcptParam struct {
	keyword string
	read    func(s *session, p *inbound.RcptParams, value string) smtpwire.Reply
}

// extensions are all of them, in the order of EHLO.
var extensions = []extension{
	{name: "PIPELINING"}, // RFC 2920
	{name: "8BITMIME", mail: []mailParam{{"BODY", readBody}}},
	{name: "BINARYMIME"},
	{name: "CHUNKING"},
	{name: "BURL", offered: (*session).fetches, value: (*session).fetchable},
	{name: "SMTPUTF8", mail: []mailParam{{"SMTPUTF8", readUTF8}}},
	{name: "ENHANCEDSTATUSCODES"}, // RFC 2034
	{name: "LIMITS", offered: (*session).hasLimits, value: (*session).limits},
	{name: "REQUIRETLS", offered: (*session).isSecure, mail: []mailParam{{"REQUIRETLS", readRequireTLS}}},
	{name: "MT-PRIORITY", offered: (*session).queues, mail: []mailParam{{"MT-PRIORITY", readPriority}}},
	{name: "DELIVERBY", offered: (*session).queues, value: leastTime, mail: []mailParam{{"BY", readDeliverBy}}},
	{
		name: "FUTURERELEASE", offered: (*session).queues, value: (*session).latestRelease,
		mail: []mailParam{{"HOLDFOR", readHoldFor}, {"HOLDUNTIL", readHoldUntil}},
	},
	{name: "RRVS", offered: (*session).leadsToMailboxes, rcpt: []rcptParam{{"RRVS", readValidSince}}},
	{name: "SIZE", value: (*session).sizeLimit, mail: []mailParam{{"SIZE", readSize}}},
	{
		name: "DSN", offered: (*session).confirms,
		mail: []mailParam{{"RET", readReturn}, {"ENVID", readEnvelopeID}},
		rcpt: []rcptParam{{"NOTIFY", readNotify}, {"ORCPT", readOriginal}},
	},
	{name: "XCLIENT", offered: (*session).isTrusted, value: (*session).claims},
	{name: "XFORWARD", offered: (*session).isTrusted, value: func(*session) string { return "NAME ADDR PORT PROTO HELO IDENT SOURCE" }},
	{name: "STARTTLS", offered: func(s *session) bool { return s.conn.OffersTLS() }},
	{name: "AUTH", offered: (*session).mayAuth, value: (*session).mechanisms},
}

func (e *extension) isOffered(s *session) bool { return e.offered == nil || e.offered(s) }

// line is what EHLO says.
func (e *extension) line(s *session) string {
	if e.value == nil {
		return e.name
	}
	if value := e.value(s); value != "" {
		return e.name + " " + value
	}
	return e.name
}

// queues says that what comes in here may go to other servers, and so wait in the
// queue, whose services can be asked for: users can. Mail exchange and LMTP only lead
// to mailboxes.
func (s *session) queues() bool { return s.Role == inbound.Submission && s.Acceptor.Relays() }

// confirms says that senders are told here that their mail has arrived; the queue
// brings them word. Over LMTP it is not so: who hands mail over there waits for an
// answer for each recipient and tells the sender himself (RFC 3461 §5.2.2).
func (s *session) confirms() bool { return s.Role != inbound.LMTP && s.Acceptor.Relays() }

// leadsToMailboxes says that what comes in here is for our own mailboxes, whose age we
// know.
func (s *session) leadsToMailboxes() bool { return s.Role != inbound.Submission }

func (s *session) isSecure() bool { return s.conn.Secure() }

// sizeLimit is what SIZE says (RFC 1870 §4).
func (s *session) sizeLimit() string {
	if limit := s.in.MaxSize(); limit > 0 {
		return strconv.FormatInt(limit, 10)
	}
	return ""
}

func (s *session) hasLimits() bool { return s.in.MaxRecipients() > 0 }

// limits is what LIMITS says (RFC 9422 §4). Only the recipients of a transaction are
// limited, neither their domains nor the transactions.
func (s *session) limits() string {
	return "RCPTMAX=" + strconv.Itoa(s.in.MaxRecipients())
}

// mailParams reads the parameters of MAIL. The reply is zero if all are well.
func (s *session) mailParams(params smtpwire.Params) (known inbound.MailParams, reply smtpwire.Reply) {
	for _, p := range params {
		if reply = s.mailParam(&known, p); !reply.IsZero() {
			return known, reply
		}
	}
	return known, inOrder(&known)
}

func (s *session) mailParam(known *inbound.MailParams, p smtpwire.Param) smtpwire.Reply {
	if p.Keyword == "AUTH" && s.offersAuth() {
		// RFC 4954 §5: who is said to have sent it first; not believed, but allowed, also
		// once AUTH itself is not offered any more.
		return smtpwire.Reply{}
	}
	for i := range extensions {
		for _, param := range extensions[i].mail {
			if param.keyword == p.Keyword && extensions[i].isOffered(s) {
				return param.read(s, known, p.Value)
			}
		}
	}
	return unknownParam(p)
}

// rcptParams reads the parameters of RCPT. The reply is zero if all are well.
func (s *session) rcptParams(params smtpwire.Params) (known inbound.RcptParams, reply smtpwire.Reply) {
	for _, p := range params {
		if reply = s.rcptParam(&known, p); !reply.IsZero() {
			break
		}
	}
	return known, reply
}

func (s *session) rcptParam(known *inbound.RcptParams, p smtpwire.Param) smtpwire.Reply {
	for i := range extensions {
		for _, param := range extensions[i].rcpt {
			if param.keyword == p.Keyword && extensions[i].isOffered(s) {
				return param.read(s, known, p.Value)
			}
		}
	}
	return unknownParam(p)
}

// unknownParam refuses a parameter of an extension that was not offered (RFC 5321
// §4.1.1.11).
func unknownParam(p smtpwire.Param) smtpwire.Reply {
	return smtpwire.NewReply(555, code{5, 5, 4}, "The parameter "+p.Keyword+" is not supported here")
}

// badParam is the reply to a value that makes no sense.
func badParam(text string) smtpwire.Reply { return smtpwire.NewReply(501, code{5, 5, 4}, text) }
