package dnszone

import (
	"strings"
)

// Record is a record to be published.
type Record struct {
	Name string `json:"name"` // without a dot at its end
	Type string `json:"type"`
	Data string `json:"data"` // as in a zone file; of TXT the text itself
}

// String is the record as a line of a zone file, which works in any zone.
func (r Record) String() string {
	data := r.Data
	if r.Type == "TXT" {
		data = quote(data)
	}
	return r.Name + ". IN " + r.Type + " " + data
}

// maxString is how long a string of a TXT record may be (RFC 1035 §3.3.14); of a
// longer text receivers put the pieces together.
const maxString = 255

// quote spells a text as the strings of a TXT record.
func quote(text string) string {
	var all []string
	for first := true; first || text != ""; first = false {
		n := min(len(text), maxString)
		all = append(all, `"`+escaper().Replace(text[:n])+`"`)
		text = text[n:]
	}
	return strings.Join(all, " ")
}

func escaper() *strings.Replacer { return strings.NewReplacer(`\`, `\\`, `"`, `\"`) }

// TXT is a TXT record.
func TXT(name, text string) Record { return Record{name, "TXT", text} }
