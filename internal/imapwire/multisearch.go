package imapwire

// MultiSearch decodes what follows ESEARCH and a space (RFC 7377 §4): where to search,
// nowhere in particular if it is not given, and what. mailbox decodes a mailbox's name.
func (d *Decoder) MultiSearch(in *[]NotifyGroup, o *SearchOptions, mailbox func(*string) bool) bool {
	*o, *in = SearchOptions{}, nil
	p := searchParser{Decoder: d}
	word := p.keyWord()
	if word == "IN" {
		if !d.SP() || !d.List(func() bool { return d.searchSource(in, mailbox) }) {
			return false
		}
		if len(*in) == 0 {
			return d.Fail("which mailboxes to search")
		}
		if !d.SP() {
			return false
		}
		word = p.keyWord()
	}
	return p.search(o, word)
}

func (d *Decoder) searchSource(in *[]NotifyGroup, mailbox func(*string) bool) bool {
	var g NotifyGroup
	if !d.notifyFilter(&g, mailbox) {
		return false
	}
	if g.Filter == NotifySelectedDelayed {
		return d.Fail("SELECTED: this is no NOTIFY")
	}
	*in = append(*in, g)
	return true
}

// AppendMultiSearch appends what follows ESEARCH and a space.
func AppendMultiSearch(dst []byte, in []NotifyGroup, o *SearchOptions) []byte {
	sep := "IN ("
	for i := range in {
		dst = appendNotifyFilter(append(dst, sep...), &in[i])
		sep = " "
	}
	if len(in) > 0 {
		dst = append(dst, ") "...)
	}
	return AppendSearch(dst, o)
}
