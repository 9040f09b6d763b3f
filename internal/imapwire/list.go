package imapwire

// ListSelect is a set of LIST's selection options.
type ListSelect uint8

// The selection options (RFC 5258, RFC 6154).
const (
	ListSubscribed ListSelect = 1 << iota
	ListRemote
	ListRecursiveMatch
	ListSpecialUse
)

// ListReturn is a set of LIST's return options.
type ListReturn uint8

// The return options (RFC 5258, RFC 6154, RFC 5819, RFC 8440, RFC 9590).
const (
	ReturnSubscribed ListReturn = 1 << iota
	ReturnChildren
	ReturnSpecialUse
	ReturnStatus // ListOptions.Status
	ReturnMyRights
	ReturnMetadata // ListOptions.Metadata
)

var listSelects = []struct {
	name   string
	option ListSelect
}{{"SUBSCRIBED", ListSubscribed}, {"REMOTE", ListRemote}, {"RECURSIVEMATCH", ListRecursiveMatch}, {"SPECIAL-USE", ListSpecialUse}}

var listReturns = []struct {
	name   string
	option ListReturn
}{
	{"SUBSCRIBED", ReturnSubscribed},
	{"CHILDREN", ReturnChildren},
	{"SPECIAL-USE", ReturnSpecialUse},
	{"STATUS", ReturnStatus},
	{"MYRIGHTS", ReturnMyRights},
	{"METADATA", ReturnMetadata},
}

// ListOptions are the arguments of LIST. Reference and Patterns are as on the wire:
// a wildcard may stand where an encoded name could not be decoded.
type ListOptions struct {
	Extended  bool // any syntax of RFC 5258 was used
	Select    ListSelect
	Reference string
	Patterns  []string
	Return    ListReturn
	Status    StatusItems
	Metadata  []string // names of entries
}

// ListCommand decodes what follows LIST and a space.
func (d *Decoder) ListCommand(o *ListOptions) bool {
	*o = ListOptions{}
	if d.next() == '(' {
		o.Extended = true
		if !d.List(func() bool { return d.listSelect(o) }) || !d.SP() {
			return false
		}
		// RFC 5258 §3.1: RECURSIVEMATCH needs an option that selects by itself.
		if o.Select&ListRecursiveMatch != 0 && o.Select&(ListSubscribed|ListSpecialUse) == 0 {
			return d.Fail("an option besides RECURSIVEMATCH")
		}
	}
	if !d.AString(&o.Reference) || !d.SP() || !d.listPatterns(o) {
		return false
	}
	if d.AtEnd() {
		return true
	}
	o.Extended = true
	return d.SP() && d.keyword("RETURN") && d.SP() && d.List(func() bool { return d.listReturn(o) })
}

// LSub decodes what follows LSUB and a space.
func (d *Decoder) LSub(o *ListOptions) bool {
	*o = ListOptions{Patterns: make([]string, 1)}
	return d.AString(&o.Reference) && d.SP() && d.listMailbox(&o.Patterns[0])
}

func (d *Decoder) listPatterns(o *ListOptions) bool {
	pattern := func() bool {
		var s string
		ok := d.listMailbox(&s)
		o.Patterns = append(o.Patterns, s)
		return ok
	}
	if d.next() != '(' {
		return pattern()
	}
	o.Extended = true
	return d.List(pattern) && (len(o.Patterns) > 0 || d.Fail("a pattern"))
}

func (d *Decoder) listSelect(o *ListOptions) bool {
	word := string(d.word())
	for _, s := range listSelects {
		if s.name == word {
			o.Select |= s.option
			return true
		}
	}
	return d.failWord("a selection option")
}

func (d *Decoder) listReturn(o *ListOptions) bool {
	word := string(d.word())
	for _, r := range listReturns {
		if r.name == word {
			o.Return |= r.option
			switch r.option {
			case ReturnStatus:
				return d.SP() && d.Status(&o.Status)
			case ReturnMetadata:
				return d.SP() && d.entryNames(&o.Metadata)
			}
			return true
		}
	}
	return d.failWord("a return option")
}

// AppendList appends what follows LIST and a space.
func AppendList(dst []byte, o *ListOptions) []byte {
	if o.Select != 0 {
		dst = append(dst, '(')
		sep := ""
		for _, s := range listSelects {
			if o.Select&s.option != 0 {
				dst = append(append(dst, sep...), s.name...)
				sep = " "
			}
		}
		dst = append(dst, ") "...)
	}
	dst = append(AppendAString(dst, o.Reference), ' ')
	if len(o.Patterns) == 1 {
		dst = appendPattern(dst, o.Patterns[0])
	} else {
		for i, p := range o.Patterns {
			dst = append(dst, "( "[min(i, 1)])
			dst = appendPattern(dst, p)
		}
		dst = append(dst, ')')
	}
	if o.Return == 0 {
		return dst
	}
	sep := " RETURN ("
	for _, r := range listReturns {
		if o.Return&r.option != 0 {
			dst = append(append(dst, sep...), r.name...)
			sep = " "
		}
		switch o.Return & r.option {
		case ReturnStatus:
			dst = AppendStatusItems(append(dst, ' '), o.Status)
		case ReturnMetadata:
			dst = appendEntryNames(append(dst, ' '), o.Metadata)
		}
	}
	return append(dst, ')')
}

func appendPattern(dst []byte, p string) []byte {
	for i := range len(p) {
		if c := p[i]; classes[c]&atomChar == 0 && c != '%' && c != '*' {
			return AppendString(dst, p)
		}
	}
	if p == "" {
		return AppendString(dst, p)
	}
	return append(dst, p...)
}

// ListEntry is one line of a LIST or LSUB response.
type ListEntry struct {
	Attributes []string   // \HasChildren and the like
	Separator  byte       // 0: none
	Name       string     // UTF-8
	UTF8       bool       // write it so
	ChildInfo  ListSelect // which options select something below the name (RFC 5258 §3.5)
	OldName    string     // a name that the mailbox had before; empty: none (RFC 9051 §6.3.9.7)
}

// AppendListEntry appends a LIST response behind the word LIST or LSUB.
func AppendListEntry(dst []byte, e *ListEntry) []byte {
	dst = append(AppendFlags(dst, e.Attributes), ' ')
	if e.Separator == 0 {
		dst = append(dst, "NIL"...)
	} else {
		dst = AppendString(dst, []byte{e.Separator})
	}
	dst = append(dst, ' ')
	name := AppendMailbox
	if e.UTF8 {
		name = AppendMailboxUTF8
	}
	dst = name(dst, e.Name)
	if e.OldName != "" {
		dst = append(name(append(dst, ` ("OLDNAME" (`...), e.OldName), "))"...)
	}
	sep := ` ("CHILDINFO" (`
	for _, option := range listSelects {
		if e.ChildInfo&option.option != 0 {
			dst = AppendString(append(dst, sep...), option.name)
			sep = " "
		}
	}
	if sep == " " {
		dst = append(dst, "))"...)
	}
	return dst
}
