package imapd

import (
	"slices"
	"strings"
)

// Quirk withholds extensions from those who trip over them: a client by what it says
// of itself in ID, an account by its address. Where both are named, both must fit.
type Quirk struct {
	Client  string   // part of "name/version", in any case; "": any client
	Account string   // an address; "": any account
	Without []string // names of capabilities
}

// extensionCommands are the commands that belong to an extension, and are not there
// without it. What an extension adds to other commands stays understood: a client that
// is not told of it does not use it.
var extensionCommands = map[string][]string{
	"COMPRESS=DEFLATE": {"COMPRESS"},
	"ENABLE":           {"ENABLE"},
	"IDLE":             {"IDLE"},
	"LANGUAGE":         {"LANGUAGE"},
	"MOVE":             {"MOVE", "UID MOVE"},
	"NAMESPACE":        {"NAMESPACE"},
	"NOTIFY":           {"NOTIFY"},
	"QUOTA":            {"GETQUOTA", "GETQUOTAROOT", "SETQUOTA"},
	"REPLACE":          {"REPLACE", "UID REPLACE"},
	"SORT":             {"SORT", "UID SORT"},
	"UIDPLUS":          {"UID EXPUNGE"},
	"UNAUTHENTICATE":   {"UNAUTHENTICATE"},
	"UNSELECT":         {"UNSELECT"},
}

// applyQuirks finds out what this client does without, as its name or its user has
// become known. What it uses already it keeps.
func (s *session) applyQuirks() {
	s.without = nil
	for _, q := range s.srv.quirks {
		fits := s.client != "" || q.Client == ""
		fits = fits && strings.Contains(strings.ToLower(s.client), strings.ToLower(q.Client))
		if fits && (q.Account == "" || s.user != "" && strings.EqualFold(q.Account, s.user)) {
			s.without = append(s.without, q.Without...)
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
