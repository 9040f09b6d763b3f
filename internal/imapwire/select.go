package imapwire

import "strconv"

// SelectOptions are the parameters of SELECT and EXAMINE.
type SelectOptions struct {
	CondStore bool
	QResync   *QResync
}

// QResync is what a client knows of a mailbox from last time (RFC 7162 §3.2.5).
type QResync struct {
	UIDValidity uint32
	ModSeq      uint64
	Known       NumSet // UIDs; empty if not given
	MatchSeqs   NumSet // sequence-match data; empty if not given
	MatchUIDs   NumSet
}

// Select decodes the parameters, if there are any, behind the mailbox.
func (d *Decoder) Select(o *SelectOptions) bool {
	*o = SelectOptions{}
	if d.AtEnd() {
		return true
	}
	return d.SP() && d.List(func() bool {
		switch string(d.word()) {
		case "CONDSTORE":
			o.CondStore = true
			return true
		case "QRESYNC":
			o.QResync = new(QResync)
			return d.SP() && d.qresync(o.QResync)
		}
		return d.failWord("CONDSTORE or QRESYNC")
	})
}

func (d *Decoder) qresync(q *QResync) bool {
	if !d.expect('(', "(") || !d.NZNumber(&q.UIDValidity) || !d.SP() || !d.modSeq(&q.ModSeq) {
		return false
	}
	if d.Byte(')') {
		return true
	}
	if !d.SP() {
		return false
	}
	if d.next() != '(' {
		if !d.KnownSet(&q.Known) {
			return false
		}
		if d.Byte(')') {
			return true
		}
		if !d.SP() {
			return false
		}
	}
	return d.expect('(', "(") && d.KnownSet(&q.MatchSeqs) && d.SP() && d.KnownSet(&q.MatchUIDs) &&
		d.expect(')', ")") && d.expect(')', ")")
}

// AppendSelect appends the parameters, with a space before them.
func AppendSelect(dst []byte, o *SelectOptions) []byte {
	sep := " ("
	if o.CondStore {
		dst = append(append(dst, sep...), "CONDSTORE"...)
		sep = " "
	}
	if q := o.QResync; q != nil {
		dst = append(append(dst, sep...), "QRESYNC ("...)
		sep = " "
		dst = strconv.AppendUint(dst, uint64(q.UIDValidity), 10)
		dst = strconv.AppendUint(append(dst, ' '), q.ModSeq, 10)
		if len(q.Known.Ranges) > 0 {
			dst = AppendNumSet(append(dst, ' '), q.Known)
		}
		if len(q.MatchSeqs.Ranges) > 0 {
			dst = AppendNumSet(append(dst, " ("...), q.MatchSeqs)
			dst = append(AppendNumSet(append(dst, ' '), q.MatchUIDs), ')')
		}
		dst = append(dst, ')')
	}
	if sep == " " {
		dst = append(dst, ')')
	}
	return dst
}

// Create decodes the parameters, if there are any, behind the mailbox of a CREATE:
// the attributes of USE (RFC 6154 §3).
func (d *Decoder) Create(use *[]string) bool {
	*use = nil
	if d.AtEnd() {
		return true
	}
	return d.SP() && d.List(func() bool { return d.keyword("USE") && d.SP() && d.FlagList(use) })
}
