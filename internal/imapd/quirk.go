package imapd

import (
	"slices"
	"strings"
)

// Quirk withholds extensions from those who trip over them, or offers them those that
// are not for everybody: to a client by what it says of itself in ID, to an account by
// its address. Where both are named, both must fit.
//
// RFC 2971 §3 wants no server to decide anything by what ID says. Ours does not by
// itself; what an operator has written down is the operator's decision.
type Quirk struct {
	Client  string   // part of "name/version", in any case; "": any client
	Account string   // an address; "": any account
	Without []string // names of capabilities that it does not get
	With    []string // and of those that it does
}

// extensionCommands are the commands that belong to an extension, and are not there
// without it. What an extension adds to other commands stays understood: a client that
// is not told of it does not use it.
var extensionCommands = map[string][]string{
	"ACL":              {"GETACL", "SETACL", "DELETEACL", "LISTRIGHTS", "MYRIGHTS"},
	"COMPRESS=DEFLATE": {"COMPRESS"},
	"ENABLE":           {"ENABLE"},
	"I18NLEVEL=2":      {"COMPARATOR"},
	"IDLE":             {"IDLE"},
	"LANGUAGE":         {"LANGUAGE"},
	"METADATA":         {"GETMETADATA", "SETMETADATA"},
	"MULTISEARCH":      {"ESEARCH"},
	"MOVE":             {"MOVE", "UID MOVE"},
	"NAMESPACE":        {"NAMESPACE"},
	"NOTIFY":           {"NOTIFY"},
	"QUOTA":            {"GETQUOTA", "GETQUOTAROOT", "SETQUOTA"},
	"REPLACE":          {"REPLACE", "UID REPLACE"},
	"SORT":             {"SORT", "UID SORT"},
	"UIDBATCHES":       {"UIDBATCHES"},
	"UIDPLUS":          {"UID EXPUNGE"},
	"URLAUTH":          {"GENURLAUTH", "RESETKEY", "URLFETCH"},
	"UNAUTHENTICATE":   {"UNAUTHENTICATE"},
	"UNSELECT":         {"UNSELECT"},
}

// applyQuirks finds out what this client does without, as its name or its user has
// become known. What it uses already it keeps.
func (s *session) applyQuirks() {
	s.without = s.without[:0]
	for i := range capabilities {
		if capabilities[i].asked {
			s.without = append(s.without, capabilities[i].name)
		}
	}
	for _, q := range s.srv.quirks {
		fits := s.client != "" || q.Client == ""
		fits = fits && strings.Contains(strings.ToLower(s.client), strings.ToLower(q.Client))
		if fits && (q.Account == "" || s.user != "" && strings.EqualFold(q.Account, s.user)) {
			s.without = append(s.without, q.Without...)
			s.without = slices.DeleteFunc(s.without, func(name string) bool {
				return slices.ContainsFunc(q.With, func(w string) bool { return strings.EqualFold(w, name) })
			})
		}
	}
}

// lacks reports whether a capability is withheld.
func (s *session) lacks(capability string) bool {
	return slices.ContainsFunc(s.without, func(w string) bool { return strings.EqualFold(w, capability) })
}

// lacksCommand reports whether a command is, since its extension is.
func (s *session) lacksCommand(name string) bool {
	for _, w := range s.without {
		if slices.Contains(extensionCommands[strings.ToUpper(w)], name) {
			return true
		}
	}
	return false
}
