package imapd

import (
	"context"
	"slices"
	"strings"
)

// enabled is a set of what a client has said that it understands: some of it by
// ENABLE, CONDSTORE also by using it.
type enabled uint8

const (
	condStore  enabled = 1 << iota // RFC 7162 §3.1: each FETCH has MODSEQ
	qresync                        // RFC 7162 §3.2: VANISHED in place of EXPUNGE, each FETCH has UID
	rev2                           // RFC 9051: the answers of IMAP4rev2 where those of rev1 differ
	utf8Accept                     // RFC 6855: strings and names are UTF-8
	uidOnly                        // RFC 9586: no message numbers, in neither direction
)

// has reports whether any of these is enabled.
func (e enabled) has(any enabled) bool { return e&any != 0 }

// enables is what ENABLE knows, and what that brings along.
var enables = [...]struct {
	name string
	enabled
}{
	{"CONDSTORE", condStore},
	{"QRESYNC", qresync | condStore}, // RFC 7162 §3.2.3: QRESYNC has all of CONDSTORE
	{"IMAP4rev2", rev2},
	{"UTF8=ACCEPT", utf8Accept},
	{"UIDONLY", uidOnly},
}

// enable is ENABLE (RFC 5161 §3.1, RFC 9051 §6.3.1). Names of what cannot be enabled
// are overlooked; the answer has those that this command has enabled.
func (s *session) enable(context.Context, *command) error {
	var names []string
	if !s.dec.Enable(&names) || !s.dec.End() {
		return s.syntax()
	}
	answer := "* ENABLED"
	before := s.enabled
	for _, e := range enables {
		if slices.Contains(names, strings.ToUpper(e.name)) && e.enabled&^s.enabled != 0 && !s.lacks(e.name) {
			s.enabled |= e.enabled
			answer += " " + e.name
		}
	}
	s.dec.UTF8 = s.utf8Names()
	s.line(answer)
	if s.enabled.has(condStore) && !before.has(condStore) {
		s.announceModSeq()
	}
	if s.enabled.has(rev2) && s.box != nil {
		s.box.recentFrom = nothingRecent
	}
	return nil
}
