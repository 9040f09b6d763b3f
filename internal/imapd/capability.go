package imapd

import (
	"context"
	"slices"
	"strings"
)

// capability is a word that a client may rely on.
type capability struct {
	name string
	in   states                // in which it is told
	when func(s *session) bool // what else it takes; nil: nothing

	// asked: only who is named in a Quirk gets it, since a client in wide use trips over it.
	asked bool
	value func(s *session) string // what follows the name; nil: nothing
}

// capabilities is all that works here, one row each, in the order in which it is told.
// A client that logs in gets told again, so what helps only those who have logged in
// need not be told before.
var capabilities = []capability{
	{name: "IMAP4rev1", in: anyState},
	{name: "IMAP4rev2", in: anyState},
	{name: "LITERAL-", in: notAuthenticated}, // RFC 7888 §5: never both
	{name: "LITERAL+", in: loggedIn},
	{name: "SASL-IR", in: anyState},
	{name: "ID", in: anyState},
	{name: "ENABLE", in: anyState},
	{name: "IDLE", in: anyState},
	{name: "NAMESPACE", in: anyState},
	{name: "UIDPLUS", in: anyState},
	{name: "UNSELECT", in: anyState},
	{name: "MOVE", in: anyState},
	{name: "CHILDREN", in: anyState},
	{name: "SPECIAL-USE", in: anyState},
	{name: "MULTIAPPEND", in: anyState},
	{name: "CONDSTORE", in: anyState},
	{name: "QRESYNC", in: anyState},
	{name: "UTF8=ACCEPT", in: anyState},
	{name: "UIDBATCHES", in: anyState},
	{name: "UIDONLY", in: anyState, asked: true}, // Outlook enables it and then uses message numbers
	{name: "NOTIFY", in: anyState},
	{name: "CREATE-SPECIAL-USE", in: anyState},
	{name: "LIST-EXTENDED", in: anyState},
	{name: "LIST-STATUS", in: anyState},
	{name: "STATUS=SIZE", in: anyState},
	{name: "ACL", in: loggedIn},
	{name: "RIGHTS=kxte", in: loggedIn}, // RFC 4314 §2.2: those that RFC 2086 does not have
	{name: "LIST-MYRIGHTS", in: loggedIn},
	{name: "METADATA", in: loggedIn},
	{name: "METADATA-SERVER", in: loggedIn},
	{name: "LIST-METADATA", in: loggedIn},
	{name: "QUOTA", in: loggedIn},
	{name: "QUOTASET", in: loggedIn, when: (*session).isAdministrator},
	{name: "QUOTA=RES-STORAGE", in: loggedIn},
	{name: "QUOTA=RES-MESSAGE", in: loggedIn},
	{name: "QUOTA=RES-MAILBOX", in: loggedIn},
	{name: "QUOTA=RES-ANNOTATION-STORAGE", in: loggedIn},
	{name: "ESEARCH", in: anyState},
	{name: "SEARCHRES", in: anyState},
	{name: "WITHIN", in: anyState},
	{name: "SAVEDATE", in: anyState},
	{name: "SEARCH=FUZZY", in: anyState},
	{name: "SORT", in: anyState},
	{name: "SORT=DISPLAY", in: anyState},
	{name: "ESORT", in: anyState},
	{name: "THREAD=ORDEREDSUBJECT", in: anyState},
	{name: "THREAD=REFERENCES", in: anyState},
	{name: "THREAD=REFS", in: anyState},
	{name: "CONTEXT=SEARCH", in: anyState},
	{name: "CONTEXT=SORT", in: anyState},
	{name: "MULTISEARCH", in: anyState},
	{name: "FILTERS", in: anyState},
	{name: "PARTIAL", in: anyState},
	{name: "I18NLEVEL=2", in: anyState},
	{name: "PREVIEW", in: anyState},
	{name: "OBJECTID", in: anyState},
	{name: "BINARY", in: anyState},
	{name: "CATENATE", in: anyState},
	{name: "REPLACE", in: anyState},
	{name: "URLAUTH", in: anyState},
	{name: "URLAUTH=BINARY", in: anyState},
	{name: "URL-PARTIAL", in: anyState},
	{name: "INPROGRESS", in: anyState},
	{name: "APPENDLIMIT", in: anyState, value: (*session).appendLimit},
	{name: "MESSAGELIMIT", in: loggedIn, when: (*session).isLimited, value: (*session).limitValue},
	{name: "SAVELIMIT", in: loggedIn, when: (*session).savesLimited, value: (*session).saveLimitValue},
	{name: "COMPRESS=DEFLATE", in: loggedIn, when: (*session).mayCompress},
	{name: "UNAUTHENTICATE", in: loggedIn},
	{name: "LANGUAGE", in: anyState},

	{name: "LOGIN-REFERRALS", in: notAuthenticated, when: (*session).refers},
	{name: "STARTTLS", in: notAuthenticated, when: (*session).offersTLS},
	{name: "LOGINDISABLED", in: notAuthenticated, when: (*session).mayNotLogIn}, // RFC 3501 §11.1
}

// fixed are the capabilities without which there is no session to speak of.
var fixed = []string{"IMAP4rev1", "IMAP4rev2", "STARTTLS", "LOGINDISABLED"}

// Extensions gives the names of what a Quirk may withhold.
func Extensions() []string {
	var names []string
	for i := range capabilities {
		if name := capabilities[i].name; !slices.Contains(fixed, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// capability is CAPABILITY (RFC 3501 §6.1.1).
func (s *session) capability(context.Context, *command) error {
	if !s.dec.End() {
		return s.syntax()
	}
	s.line("* CAPABILITY ", s.capabilities())
	return nil
}

// capabilities is what is offered at this moment.
func (s *session) capabilities() string {
	var list strings.Builder
	state := s.state()
	for i := range capabilities {
		if c := &capabilities[i]; c.in&state != 0 && (c.when == nil || c.when(s)) && !s.lacks(c.name) {
			list.WriteString(c.name)
			if c.value != nil {
				list.WriteString(c.value(s))
			}
			list.WriteByte(' ')
		}
	}
	if state == notAuthenticated {
		for _, name := range s.srv.gate.Mechanisms(s.peer()) {
			list.WriteString("AUTH=" + name + " ")
		}
	}
	return strings.TrimSuffix(list.String(), " ")
}

func (s *session) mayNotLogIn() bool { return !s.mayLogIn() }

func (s *session) offersTLS() bool { return s.conn.OffersTLS() }
