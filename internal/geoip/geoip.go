// Package geoip owns which country an address is in, as a file in the format of MaxMind
// says ("GeoLite2-Country.mmdb", and those of others in the same form).
//
// It decides nothing, and asks nobody on the network. The whole file is read into memory,
// so that whoever writes it anew in place does no harm.
//
// Invariants: a file that cannot be read, or is none of that kind, never takes the place
// of one that could; what is not known is "", never an error.
package geoip

import (
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"posthorn/internal/fault"
)

// largest is how large a file may be; those with all cities of the world have 130 MB.
const largest = 1 << 30

// File is a file that says where addresses are. A nil File knows nothing. All methods may
// be called from any goroutine.
type File struct {
	path string
	log  *slog.Logger
	now  atomic.Pointer[maxminddb.Reader]

	mu   sync.Mutex // guards what follows
	read stamp      // of what was read, or tried, last
}

// stamp tells whether a file is the one that was read.
type stamp struct {
	size    int64
	changed time.Time
}

// Open reads a file. Kinds of errors: NotFound, Invalid, TooLarge.
func Open(path string, log *slog.Logger) (*File, error) {
	f := &File{path: path, log: log}
	at, err := f.stamp()
	if err == nil {
		err = f.load(at)
	}
	return f, err
}

// Path is where the file is.
func (f *File) Path() string {
	if f == nil {
		return ""
	}
	return f.path
}

// Refresh reads the file again if it has changed. One that cannot be read is told of once,
// and what was read before goes on to count.
func (f *File) Refresh() {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	at, err := f.stamp()
	if err == nil && at == f.read {
		return
	}
	if err == nil {
		err = f.load(at)
	} else if f.read == (stamp{}) {
		return // it was told already
	}
	f.read = at
	if err != nil {
		f.log.Error("the file of countries cannot be read; what it said before still counts", "file", f.path, "error", err)
		return
	}
	f.log.Info("the file of countries was read", "file", f.path)
}

func (f *File) stamp() (stamp, error) {
	info, err := os.Stat(f.path)
	switch {
	case err != nil:
		return stamp{}, fault.New(fault.NotFound, "%w", err)
	case info.Size() > largest:
		return stamp{}, fault.New(fault.TooLarge, "%s has %d bytes; at most %d", f.path, info.Size(), largest)
	}
	return stamp{info.Size(), info.ModTime()}, nil
}

func (f *File) load(at stamp) error {
	content, err := os.ReadFile(f.path)
	if err != nil {
		return fault.New(fault.NotFound, "%w", err)
	}
	err = f.parse(content)
	if err == nil {
		f.read = at
	}
	return err
}

func (f *File) parse(content []byte) error {
	r, err := maxminddb.OpenBytes(content)
	if err != nil {
		return fault.New(fault.Invalid, "%s is no MaxMind DB: %w", f.path, err)
	}
	f.now.Store(r)
	return nil
}

// paths are where the files of different makers have the code of the country.
var paths = [...][]any{{"country", "iso_code"}, {"country_code"}, {"country"}}

// Country is the code of the country that an address is in, as in ISO 3166, "DE"; "" if
// that is not known.
func (f *File) Country(ip netip.Addr) string {
	if f == nil || !ip.IsValid() {
		return ""
	}
	found := f.now.Load().Lookup(ip.Unmap())
	for _, path := range paths {
		var code string
		if err := found.DecodePath(&code, path...); err == nil && isCode(code) {
			return code
		}
	}
	return ""
}

func isCode(s string) bool {
	return len(s) == 2 && 'A' <= s[0] && s[0] <= 'Z' && 'A' <= s[1] && s[1] <= 'Z'
}
