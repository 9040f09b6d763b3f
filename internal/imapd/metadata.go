package imapd

import (
	"context"
	"strconv"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// specialUseEntry shows the special uses of a mailbox as metadata (RFC 6154 §4).
const specialUseEntry = "/private/specialuse"

// annotated is a mailbox, or with none the server, that has metadata.
type annotated struct {
	place
	mailbox *store.Mailbox
}

func (a *annotated) id() store.MailboxID {
	if a.mailbox == nil {
		return store.ServerMetadata
	}
	return a.mailbox.ID
}

// metadataQuery is a GETMETADATA under way.
type metadataQuery struct {
	imapwire.GetMetadata
	longest int // of the values that are longer than MaxSize
}

// getMetadata is GETMETADATA (RFC 5464 §4.2).
func (s *session) getMetadata(ctx context.Context, c *command) error {
	var q metadataQuery
	if !s.dec.SP() || !s.dec.GetMetadata(&q.GetMetadata, s.mailboxName) || !s.dec.End() {
		return s.syntax()
	}
	a, err := s.annotated(ctx, q.Mailbox)
	if err != nil {
		return err
	}
	found, err := s.findMetadata(ctx, a, &q)
	if err != nil {
		return err
	}
	out := s.newOutput()
	out.b = s.appendMetadata(out.b, a.shown, found)
	if q.longest > 0 { // RFC 5464 §4.2.1
		c.code = "METADATA LONGENTRIES " + strconv.Itoa(q.longest)
	}
	s.readErr = s.closeOutput(out)
	return s.readErr
}

// annotates are the rights of which it takes one to see metadata (RFC 5464 §3.3).
const annotates = store.RightRead | store.RightSeen | store.RightWrite | store.RightInsert | store.RightPost

// annotated finds what a name says. RFC 5464 §3.3: it takes the right to look the
// mailbox up and one of those to do something with its messages.
func (s *session) annotated(ctx context.Context, name string) (*annotated, error) {
	if name == "" {
		return &annotated{place: place{account: s.account, owner: s.user, rights: store.AllRights}}, nil
	}
	p, err := s.place(ctx, name, store.RightLookup)
	if err != nil {
		return nil, err
	}
	if !p.rights.Any(annotates) {
		return nil, errNoRight
	}
	m, err := p.account.Mailbox(ctx, p.name)
	return &annotated{p, &m}, err
}

// findMetadata gives what a query asks for. An entry that was named and is not there has
// no value.
func (s *session) findMetadata(ctx context.Context, a *annotated, q *metadataQuery) ([]imapwire.Metadata, error) {
	all, err := s.allMetadata(ctx, a)
	if err != nil {
		return nil, err
	}
	var found []imapwire.Metadata
	for _, name := range q.Entries {
		any := false
		for _, e := range all {
			if !within(e.Name, name, q.Depth) {
				continue
			}
			any = true
			if q.Limited && len(e.Value) > int(q.MaxSize) {
				q.longest = max(q.longest, len(e.Value))
				continue
			}
			found = append(found, imapwire.Metadata{Entry: e.Name, Value: e.Value})
		}
		if !any {
			found = append(found, imapwire.Metadata{Entry: name})
		}
	}
	return found, nil
}

// within reports whether an entry is the one that was named, or below it, and not too
// deep (RFC 5464 §4.2.2).
func within(entry, named string, depth int) bool {
	below, ok := strings.CutPrefix(entry, named)
	switch {
	case !ok:
		return false
	case below == "":
		return true
	case below[0] != '/' || depth == 0:
		return false
	}
	return depth == imapwire.DepthInfinity || strings.Count(below, "/") <= depth
}

// allMetadata gives the entries that this user sees.
func (s *session) allMetadata(ctx context.Context, a *annotated) ([]store.MetadataEntry, error) {
	all, err := a.account.Metadata(ctx, a.id(), s.account.ID())
	if err != nil {
		return nil, err
	}
	if a.mailbox == nil {
		return append(all, s.srv.about()...), nil
	}
	if a.mailbox.SpecialUse != "" && a.account.ID() == s.account.ID() {
		all = append(all, store.MetadataEntry{Name: specialUseEntry, Value: []byte(a.mailbox.SpecialUse)})
	}
	shared, err := a.account.Metadata(ctx, a.id(), store.EveryoneShares)
	return append(all, shared...), err
}

// about is what the server says of itself (RFC 5464 §3.2.1.1).
func (srv *Server) about() []store.MetadataEntry {
	if srv.admin == "" {
		return nil
	}
	return []store.MetadataEntry{{Name: "/shared/admin", Value: []byte("mailto:" + srv.admin)}}
}

// appendMetadata appends a METADATA response.
func (s *session) appendMetadata(dst []byte, name string, found []imapwire.Metadata) []byte {
	if len(found) == 0 {
		return dst
	}
	dst = s.appendMailbox(append(dst, "* METADATA "...), name)
	return append(imapwire.AppendMetadata(append(dst, ' '), found), "\r\n"...)
}

// setMetadata is SETMETADATA (RFC 5464 §4.3): all of it or nothing.
func (s *session) setMetadata(ctx context.Context, _ *command) error {
	var name string
	var entries []imapwire.Metadata
	if !s.mailboxArgument(&name) || !s.dec.SP() || !s.dec.SetMetadata(&entries) || !s.dec.End() {
		return s.syntax()
	}
	a, err := s.annotated(ctx, name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := s.maySet(a, e.Entry); err != nil {
			return err
		}
	}
	err = a.account.Update(ctx, func(tx *store.Tx) error {
		for _, e := range entries {
			if err := s.setEntry(tx, a, e); err != nil {
				return err
			}
		}
		return nil
	})
	switch { // RFC 5464 §4.3
	case fault.Is(err, fault.TooLarge):
		return no("METADATA MAXSIZE "+strconv.Itoa(store.MaxMetadataValue), "The value is too large")
	case fault.Is(err, fault.Limit):
		return no("METADATA TOOMANY", "There are too many entries already")
	}
	return err
}

// maySet reports why an entry cannot be set.
func (s *session) maySet(a *annotated, entry string) error {
	switch {
	case strings.Count(entry, "/") < 2: // RFC 5464 §3.2
		return no("CANNOT", "The name of an entry has at least two levels")
	case isPrivate(entry):
		if entry == specialUseEntry && a.account.ID() != s.account.ID() {
			return errNoRight
		}
		return nil
	case a.mailbox == nil:
		return no("NOPERM", "The server's shared entries cannot be changed")
	}
	return a.require(store.RightWrite)
}

func isPrivate(entry string) bool { return strings.HasPrefix(entry, "/private/") }

func (s *session) setEntry(tx *store.Tx, a *annotated, e imapwire.Metadata) error {
	if e.Entry == specialUseEntry && a.mailbox != nil {
		return setSpecialUse(tx, a.mailbox.ID, strings.Fields(string(e.Value)))
	}
	who := store.EveryoneShares
	if isPrivate(e.Entry) {
		who = s.account.ID()
	}
	return tx.SetMetadata(a.id(), who, store.MetadataEntry{Name: e.Entry, Value: e.Value})
}
