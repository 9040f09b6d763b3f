package imapd

import (
	"context"
	"strings"

	"posthorn/internal/imapwire"
)

// filters puts searches that the user has stored in place of their names (RFC 5466).
type filters struct {
	values map[string][]byte // by lower-case name
	left   int               // how many names may still be replaced
}

// RFC 5466 §3.1: filters that refer to each other more than three deep need not work,
// and those that do so for ever must not.
const (
	maxFilterDepth = 5
	maxFilters     = 100
)

// Where the values of filters are among the metadata of the server.
var filterEntries = [...]string{"/shared/filters/values/", "/private/filters/values/"}

// replaceFilters does so in a whole search, whose charset is UTF-8 then.
func (s *session) replaceFilters(ctx context.Context, o *imapwire.SearchOptions) error {
	if !hasFilter(&o.Key) {
		return nil
	}
	if o.Charset != "" && !strings.EqualFold(o.Charset, "UTF-8") && !strings.EqualFold(o.Charset, "US-ASCII") {
		return &reply{statusBAD, "BADCHARSET (UTF-8 US-ASCII)", "Filters are in UTF-8"}
	}
	server, err := s.annotated(ctx, "")
	if err != nil {
		return err
	}
	all, err := s.allMetadata(ctx, server)
	if err != nil {
		return err
	}
	f := filters{values: map[string][]byte{}, left: maxFilters}
	for _, root := range filterEntries { // private ones hide those that are shared
		for _, e := range all {
			if name, ok := strings.CutPrefix(e.Name, root); ok {
				f.values[strings.ToLower(name)] = e.Value
			}
		}
	}
	return f.replace(&o.Key, 0)
}

func hasFilter(k *imapwire.SearchKey) bool {
	if k.Op == imapwire.SearchFilter {
		return true
	}
	for i := range k.Keys {
		if hasFilter(&k.Keys[i]) {
			return true
		}
	}
	return false
}

func (f *filters) replace(k *imapwire.SearchKey, depth int) error {
	if k.Op != imapwire.SearchFilter {
		for i := range k.Keys {
			if err := f.replace(&k.Keys[i], depth); err != nil {
				return err
			}
		}
		return nil
	}
	name := k.Text
	value, ok := f.values[strings.ToLower(name)]
	if f.left--; !ok || f.left < 0 || depth == maxFilterDepth || imapwire.ParseSearchKey(k, value) != nil {
		code := string(imapwire.AppendAString([]byte("UNDEFINED-FILTER "), name))
		return no(code, "There is no such filter, or it is not a search")
	}
	return f.replace(k, depth+1)
}
