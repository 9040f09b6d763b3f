package imapd

import (
	"strings"

	"posthorn/internal/imapwire"
)

// relevance adds up how well the FUZZY keys of a search match a message.
type relevance struct{ points, keys int }

// score is from 1 to 100 (RFC 6203 §4).
func (r relevance) score() uint8 {
	if r.keys == 0 {
		return 1
	}
	return uint8(max(1, r.points/r.keys))
}

func (r *relevance) add(points int) { r.points, r.keys = r.points+points, r.keys+1 }

// The points of a text that matches: the words together, as they were asked for, are
// worth more than here and there, and in a header field more than in a body.
const (
	phrasePoints = 100
	wordsPoints  = 60
	bodyShare    = 2 // of them this part
)

// maxFuzzyWords is how many words of a text are looked for; the others do not matter.
const maxFuzzyWords = 8

// fuzzyText compiles a text key within a FUZZY (RFC 6203 §3): a message matches if it
// has all of the words, in any order. Other keys match exactly, as they do without it.
func (c *compiler) fuzzyText(k *imapwire.SearchKey) (test, source, error) {
	c.inFuzzy = false
	defer func() { c.inFuzzy = true }()
	phrase, need, err := c.key(k)
	if err != nil {
		return nil, 0, err
	}
	all := imapwire.SearchKey{Op: imapwire.SearchAnd}
	for _, w := range strings.Fields(k.Text) {
		if word := *k; len(all.Keys) < maxFuzzyWords {
			word.Text = w
			all.Keys = append(all.Keys, word)
		}
	}
	words := phrase
	if len(all.Keys) > 1 {
		if words, _, err = c.key(&all); err != nil {
			return nil, 0, err
		}
	}
	share := 1
	if k.Op != imapwire.SearchHeader {
		share = bodyShare
	}
	return func(m *candidate) verdict {
		v := phrase(m)
		if v == yes {
			m.scores.add(phrasePoints / share)
		} else if v == nay {
			if v = words(m); v == yes {
				m.scores.add(wordsPoints / share)
			}
		}
		return v
	}, need, nil
}
