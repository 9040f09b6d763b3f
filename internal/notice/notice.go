// Package notice owns the letters in which the server tells people of what they should
// know and cannot see: the owner of an account, and the operator of the server.
//
// It decides nothing: whoever finds something out posts a Letter. It speaks of no
// message to its sender; that is what package dsn is for. Nor does it deliver.
//
// Invariants: of each kind, nobody is told of the same account more than once a day,
// over all nodes and restarts; the letter and the note that it was sent are one commit.
//
// Flow: Post looks for today's note -> the text of the kind (texts.go), in the language
// of whom it is for, is filled with the letter's values -> queue.Send brings it to a
// mailbox here or on its way, and writes the note.
package notice

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/dsn"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/queue"
)

// Letter is what somebody is to be told.
type Letter struct {
	To      addr.Address // zero: the operator
	Kind    Kind
	Account string            // that it is about; or whatever else there is one letter a day of
	Values  map[string]string // what the text of the kind asks for, besides account
}

// Site is what may change while a server runs.
type Site struct {
	Hostname string
	Operator addr.Address // zero: the operator reads the log
}

// Options configure Notices. All are required.
type Options struct {
	Engine    kv.Engine
	Queue     *queue.Queue
	Directory *directory.Directory // knows who speaks which language
	Site      func() Site
	Clock     func() time.Time
	Logger    *slog.Logger
}

// Notices sends letters. It may be used from any goroutine.
type Notices struct{ o Options }

// New makes Notices.
func New(o Options) *Notices { return &Notices{o} }

// Post sends a letter, unless the same was sent today (in UTC). An operator who has no
// address finds its subject in the log. Kinds of errors: Internal for a letter without a
// text or a value for it; and those of the directory and the engine.
func (n *Notices) Post(ctx context.Context, l Letter) error {
	now := n.o.Clock()
	if l.To.IsZero() {
		l.To = n.o.Site().Operator
	}
	note := noteOf(l, now)
	err := n.o.Engine.View(ctx, shard, note.missing)
	if err == nil {
		err = n.send(ctx, l, note, now)
	}
	if errors.Is(err, errNoted) {
		return nil
	}
	return err
}

func (n *Notices) send(ctx context.Context, l Letter, note note, now time.Time) error {
	language, err := n.language(ctx, l.To)
	if err != nil {
		return err
	}
	subject, text, err := l.words(language)
	if err != nil {
		return err
	}
	if l.To.IsZero() {
		n.o.Logger.WarnContext(ctx, subject, "about", l.Account)
		return n.o.Engine.Update(ctx, []kv.Shard{shard}, func(tx kv.Tx) error { return note.put(tx.In(shard)) })
	}
	id, hostname := queue.NewID(now), n.o.Site().Hostname
	letter := dsn.Letter{
		ID: string(id), Date: now, Host: hostname, From: addr.Address{Local: "postmaster", Domain: hostname}, To: l.To,
		Language: language, Subject: subject, Text: text,
	}
	m := queue.NewLetter(id, now, l.To, letter.Build())
	return n.o.Queue.Send(ctx, m, queue.Change{Shard: shard, Apply: note.put})
}

// language is that of whom a letter is for, if he has an account here and has said it.
func (n *Notices) language(ctx context.Context, to addr.Address) (dsn.Language, error) {
	account, err := n.o.Directory.Account(ctx, to)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		err = nil
	}
	return dsn.LanguageOf(account.Language), err
}
