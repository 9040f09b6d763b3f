package imapd

import (
	"cmp"
	"errors"
	"slices"
	"strconv"

	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// answer is what a search command has found, and how it is to be told.
type answer struct {
	box     *mailbox
	command *command
	options *imapwire.SearchOptions
	query   *query
	hits    []hit // in the order of the answer
	named   bool  // it says which mailbox it is about
}

// checkReturn refuses result options that make no sense.
func checkReturn(o *imapwire.SearchOptions, q *query) error {
	const one = imapwire.ReturnAll | imapwire.ReturnPartial
	switch {
	case o.Return&one == one: // RFC 9394 §3.1
		return bad("Either ALL or PARTIAL")
	case o.Return&imapwire.ReturnRelevancy != 0 && !q.fuzzy: // RFC 6203 §4
		return bad("RELEVANCY is for FUZZY searches")
	}
	return nil
}

// tellNumbers writes the answer of a command without result options.
func (s *session) tellNumbers(word string, a *answer) error {
	out := s.newOutput()
	out.b = append(append(out.b, "* "...), word...)
	for _, h := range a.hits {
		out.b = strconv.AppendUint(append(out.b, ' '), uint64(a.box.told(h, a.command.uid)), 10)
		out.writeIfFull()
	}
	if a.query.modSeq && len(a.hits) > 0 { // RFC 7162 §3.1.6
		out.b = strconv.AppendUint(append(out.b, " (MODSEQ "...), uint64(a.box.modSeqOf(a.hits)), 10)
		out.b = append(out.b, ')')
	}
	out.b = append(out.b, "\r\n"...)
	s.readErr = s.closeOutput(out)
	return s.readErr
}

// told is the number by which a client is told of a message.
func (m *mailbox) told(h hit, uid bool) uint32 {
	if uid {
		return uint32(h.uid)
	}
	return uint32(m.view.number(h.seq))
}

// modSeqOf is the highest MODSEQ among messages.
func (m *mailbox) modSeqOf(hits []hit) (highest store.ModSeq) {
	for _, h := range hits {
		highest = max(highest, m.view.At(h.seq).ModSeq)
	}
	return highest
}

// tellESearch saves what was found, if that is wanted, and writes the ESEARCH response
// (RFC 4731 §3.1, RFC 9051 §7.3.4).
func (s *session) tellESearch(a *answer) error {
	want := a.options.Return
	if !a.options.Extended { // RFC 9051 §6.4.4: no options mean ALL
		want = imapwire.ReturnAll
	}
	if want&imapwire.ReturnSave != 0 {
		if err := s.save(a); err != nil {
			return s.savingNothing(a.options, err)
		}
		if want == imapwire.ReturnSave { // RFC 5182 §1: then nothing is told
			return nil
		}
	}
	if a.named && len(a.hits) == 0 { // RFC 7377 §2.1
		return nil
	}
	out := s.newOutput()
	if a.named {
		s.esearchIn(out, a)
	} else {
		out.esearch(a.command)
	}
	out.found(a, want)
	out.b = append(out.b, "\r\n"...)
	s.readErr = s.closeOutput(out)
	return s.readErr
}

// esearch begins an ESEARCH response: whose answer it is, and if its numbers are UIDs.
func (o *output) esearch(c *command) {
	o.b = imapwire.AppendString(append(o.b, "* ESEARCH (TAG "...), c.tag)
	o.b = append(o.b, ')')
	if c.uid {
		o.b = append(o.b, " UID"...)
	}
}

// esearchIn begins the response of a search that may be about other mailboxes.
func (s *session) esearchIn(out *output, a *answer) {
	out.b = imapwire.AppendString(append(out.b, "* ESEARCH (TAG "...), a.command.tag)
	out.b = s.appendMailbox(append(out.b, " MAILBOX "...), a.box.shown)
	out.b = strconv.AppendUint(append(out.b, " UIDVALIDITY "...), uint64(a.box.view.UIDValidity()), 10)
	out.b = append(out.b, ") UID"...)
}

// found writes what was found, as far as it is wanted.
func (out *output) found(a *answer, want imapwire.SearchReturn) {
	hits := a.hits
	number := func(h hit) uint32 { return a.box.told(h, a.command.uid) }
	some := len(hits) > 0
	if some && want&imapwire.ReturnMin != 0 {
		out.data(" MIN ", number(hits[0]))
	}
	if some && want&imapwire.ReturnMax != 0 {
		out.data(" MAX ", number(hits[len(hits)-1]))
	}
	if want&imapwire.ReturnCount != 0 {
		out.data(" COUNT ", uint32(len(hits)))
	}
	if some && want&imapwire.ReturnAll != 0 {
		out.b = append(out.b, " ALL "...)
		out.set(len(hits), func(i int) uint32 { return number(hits[i]) })
	}
	if want&imapwire.ReturnPartial != 0 {
		hits = partial(hits, a.options.Partial)
		out.b = append(imapwire.AppendPartialRange(append(out.b, " PARTIAL ("...), a.options.Partial), ' ')
		if len(hits) == 0 {
			out.b = append(out.b, "NIL"...)
		}
		out.set(len(hits), func(i int) uint32 { return number(hits[i]) })
		out.b = append(out.b, ')')
	}
	if some && want&imapwire.ReturnRelevancy != 0 {
		sep := byte('(')
		out.b = append(out.b, " RELEVANCY "...)
		for _, h := range hits {
			out.b = strconv.AppendUint(append(out.b, sep), uint64(h.score), 10)
			sep = ' '
			out.writeIfFull()
		}
		if sep == '(' {
			out.b = append(out.b, sep)
		}
		out.b = append(out.b, ')')
	}
	if shown := a.shown(want); a.query.modSeq && len(shown) > 0 { // RFC 4731 §3.2
		out.b = strconv.AppendUint(append(out.b, " MODSEQ "...), uint64(a.box.modSeqOf(shown)), 10)
	}
}

// data writes an item with a number.
func (o *output) data(name string, n uint32) {
	o.b = strconv.AppendUint(append(o.b, name...), uint64(n), 10)
}

// set writes n numbers in their order, ascending runs as ranges (RFC 5267 §3.2: no
// others).
func (o *output) set(n int, number func(i int) uint32) {
	for i := 0; i < n; {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		first := number(i)
		last := first
		for i++; i < n && number(i) == last+1; i++ {
			last++
		}
		o.b = strconv.AppendUint(o.b, uint64(first), 10)
		if last > first {
			o.b = strconv.AppendUint(append(o.b, ':'), uint64(last), 10)
		}
		o.writeIfFull()
	}
}

// partial is the part of a result that PARTIAL asks for (RFC 9394 §3.1).
func partial(hits []hit, r *imapwire.PartialRange) []hit {
	from, to := span(r, len(hits))
	return hits[min(from, len(hits)):min(to, len(hits))]
}

// shown is the messages that an answer speaks of: all of them, unless it has single
// ones only, as MIN, MAX and PARTIAL do. It is also what SAVE saves (RFC 5182 §2.4, RFC
// 9394 §3.2).
func (a *answer) shown(want imapwire.SearchReturn) []hit {
	const single = imapwire.ReturnMin | imapwire.ReturnMax | imapwire.ReturnPartial
	if len(a.hits) == 0 || want&single == 0 || want&(imapwire.ReturnAll|imapwire.ReturnCount) != 0 {
		return a.hits
	}
	var some []hit
	if want&imapwire.ReturnPartial != 0 {
		some = append(some, partial(a.hits, a.options.Partial)...)
	}
	if want&imapwire.ReturnMin != 0 {
		some = append(some, a.hits[0])
	}
	if want&imapwire.ReturnMax != 0 {
		some = append(some, a.hits[len(a.hits)-1])
	}
	return some
}

// maxSaved is of how many runs of messages a saved result may consist.
const maxSaved = 64 << 10

// save makes what was found the value of "$" (RFC 5182 §2.1). UIDs are kept: they need
// no care when messages go.
func (s *session) save(a *answer) error {
	shown := a.shown(a.options.Return)
	inOrder := func(a, b hit) int { return cmp.Compare(a.seq, b.seq) }
	if !slices.IsSortedFunc(shown, inOrder) {
		shown = slices.Clone(shown)
		slices.SortFunc(shown, inOrder)
	}
	var found collector
	for i, h := range shown {
		if i == 0 || h.seq != shown[i-1].seq {
			found.add(h.seq, h.uid)
		}
	}
	if len(found.uids) > maxSaved {
		return no("NOTSAVED", "The result is too scattered to be saved")
	}
	s.box.view.saved = found.uids
	return nil
}

// savingNothing empties "$" when a search that should have set it ends in a NO, not a
// BAD (RFC 5182 §2.1).
func (s *session) savingNothing(o *imapwire.SearchOptions, err error) error {
	var r *reply
	if o.Return&imapwire.ReturnSave != 0 && !(errors.As(err, &r) && r.status == statusBAD) {
		s.box.view.saved = nil
	}
	return err
}
