package notice

import (
	"errors"
	"strings"
	"time"

	"posthorn/internal/kv"
)

// shard has the notes of the last days: a key each, in the order of the days.
const shard kv.Shard = "notice"

// note says that a letter was sent on a day.
type note struct{ key, yesterday []byte }

// errNoted says that it was.
var errNoted = errors.New("notice: told today")

func noteOf(l Letter, now time.Time) note {
	day := func(t time.Time) string { return t.UTC().Format(time.DateOnly) }
	return note{
		key:       []byte(strings.Join([]string{day(now), string(l.Kind), l.Account, l.To.String()}, "\x00")),
		yesterday: []byte(day(now.AddDate(0, 0, -1))),
	}
}

func (n note) missing(r kv.Reader) error {
	_, noted, err := r.Get(n.key)
	if err == nil && noted {
		return errNoted
	}
	return err
}

// put writes the note, and forgets those from before yesterday.
func (n note) put(w kv.Writer) error {
	err := n.missing(w)
	if err == nil {
		err = w.DeleteRange(nil, n.yesterday)
	}
	if err == nil {
		err = w.Put(n.key, nil)
	}
	return err
}
