package search

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"io"
	"slices"

	"posthorn/internal/casemap"
	"posthorn/internal/message"
	"posthorn/internal/store"
)

// maxText is how much text of one message is taken into the index, in bytes. A
// message with more is a gap: it is opened whenever it is searched.
const maxText = 8 << 20

// builder gathers the words of messages for a segment.
type builder struct {
	fields [numFields]vocabulary
	number uint32 // of the message at hand
	raw    bytes.Buffer
	text   []byte // folded, of the piece at hand
	left   int    // of maxText
}

// vocabulary is the words of one field.
type vocabulary struct {
	index map[string]int32
	words []occurrences
}

// occurrences is a word with the messages that have it.
type occurrences struct {
	word string
	list []byte
	next uint32 // the number after the last message's
}

// add notes that the message at hand has a word.
func (b *builder) add(f field, word []byte) {
	v := &b.fields[f]
	i, ok := v.index[string(word)]
	if !ok {
		if v.index == nil {
			v.index = make(map[string]int32)
		}
		i = int32(len(v.words))
		s := string(word)
		v.index[s] = i
		v.words = append(v.words, occurrences{word: s})
	}
	o := &v.words[i]
	if o.next > b.number {
		return
	}
	o.list = binary.AppendUvarint(o.list, uint64(b.number-o.next))
	o.next = b.number + 1
}

// message adds a message; false if it has too much text.
func (b *builder) message(number uint32, c *store.Content, t *Text) bool {
	b.number, b.left = number, maxText
	known := t.Header()
	if c.HeadersComplete {
		known = c.Headers
	}
	anyField(known, func(f *message.Field) bool {
		if to, ok := fieldNamed(string(bytes.ToLower(f.Name))); ok {
			b.text = foldField(b.text[:0], f.Value)
			eachLine(b.text, func(w []byte) { b.add(to, w) })
		}
		return false
	})
	anyField(t.Header(), func(f *message.Field) bool {
		b.field(fieldHeader, wholeField(f))
		if !isPlain(f.Value) { // by itself it may be read differently
			b.field(fieldHeader, f.Value)
		}
		return false
	})
	t.anyPiece(t.layout, pieces{
		field: func(f *message.Field) bool {
			b.field(fieldBody, wholeField(f))
			return b.left < 0
		},
		text: func(r io.Reader) bool {
			b.words(fieldBody, r)
			return b.left < 0
		},
	})
	return b.left >= 0
}

// field adds the words of a header field.
func (b *builder) field(f field, text []byte) {
	b.text = foldField(b.text[:0], text)
	b.left -= len(b.text)
	eachWord(b.text, func(w []byte) { b.add(f, w) })
}

// words adds the words of a text.
func (b *builder) words(f field, r io.Reader) {
	b.raw.Reset()
	n, _ := b.raw.ReadFrom(io.LimitReader(r, int64(b.left)+1)) // what can be read is searched
	if b.left -= int(n); b.left < 0 {
		return
	}
	b.text = casemap.Append(b.text[:0], b.raw.Bytes())
	eachWord(b.text, func(w []byte) { b.add(f, w) })
}

// blocks gives all words, sorted, in blocks.
func (b *builder) blocks(emit func(f field, first, dictionary, lists []byte) error) error {
	for f := range b.fields {
		w := blockWriter{emit: func(first, dictionary, lists []byte) error { return emit(field(f), first, dictionary, lists) }}
		words := b.fields[f].words
		slices.SortFunc(words, func(a, b occurrences) int { return cmp.Compare(a.word, b.word) })
		for i := range words {
			if err := w.add([]byte(words[i].word), words[i].list); err != nil {
				return err
			}
		}
		if err := w.flush(); err != nil {
			return err
		}
	}
	return nil
}
