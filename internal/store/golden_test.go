package store

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"slices"
	"testing"
	"time"

	"posthorn/internal/blob/memblob"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
)

// TestStoredForms: what lies in stores out there is read as what it was written as,
// and is still written so.
func TestStoredForms(t *testing.T) {
	h := head{
		modSeq: 300, lastEmail: 2, lastMailbox: 3, uidValidity: 1_700_000_000, limit: Resources{Bytes: -1, Messages: 6, Mailboxes: 8, Annotations: 9},
		used: Resources{Bytes: 1 << 33, Messages: 5, Mailboxes: 7, Annotations: 1 << 10},
	}
	box := &mailbox{
		Mailbox: Mailbox{
			ID: 7, Name: "Entwürfe", SpecialUse: `\Drafts`, UIDValidity: 9,
			Status: Status{UIDNext: 400, HighestModSeq: 301, Messages: 6, Unseen: 5, Deleted: 4, Recent: 3, Size: 1 << 20},
		},
		keywords: []string{"$Forwarded", "x"}, recentFrom: 398, checkpoint: 290, backlog: backlog{11, 12}, feedFloor: 280, identified: true,
	}
	ch := &chunk{number: 1, entries: []Entry{
		{UID: 257, ModSeq: 300, Flags: Seen, Size: 4096, InternalDate: 1_700_000_000, Content: 258, Saved: 1_700_000_003, Zone: -330},
		{UID: 300, ModSeq: 299, Flags: Deleted | 1<<40, Size: 1, InternalDate: 1_600_000_000, Content: 7, Zone: 480},
	}}
	ch.count()
	feed := &feedRecord{modSeq: 301, time: 1_700_000_000, changes: []change{
		{kind: messagesAdded, added: []Entry{{UID: 399, ModSeq: 301, Flags: Seen, Size: 77, InternalDate: 1_699_999_999, Content: 300, Saved: 1_700_000_000, Zone: 60}}},
		{kind: flagsAdded, flags: Seen, uids: ranges{{1, 5}, {9, 9}}},
		{kind: messagesGone, uids: ranges{{300, 399}}},
		{kind: mailboxCreated, mailbox: 8},
	}}
	oldBox := *box
	oldBox.identified = false
	notes := expungeNote{why: dropped, name: "old", gone: []departed{{5, 300}, {7, 0}, {8, 7}}}
	chunkOf := func(version int) *chunk {
		old := *ch
		old.entries = ofVersion(version, ch.entries)
		return &old
	}
	feedOf := func(version int) *feedRecord {
		old := *feed
		old.changes = slices.Clone(feed.changes)
		old.changes[0].added = ofVersion(version, feed.changes[0].added)
		return &old
	}
	rec := &Record{
		EmailID: 258, SaveDate: time.Unix(1_700_000_001, 0), InternalDate: time.Unix(1_700_000_000, 0).In(zone(-330)), Size: 1000,
		Envelope: []byte("(env)"), BodyStructure: []byte("(bs)"), Headers: []byte("H: x\r\n"), HeadersComplete: true,
		Preview: []byte("añ"), Layout: []byte{1, 2, 3},
	}
	stored := &content{
		size: rec.Size, envelope: rec.Envelope, bodyStructure: rec.BodyStructure, headers: rec.Headers, preview: string(rec.Preview), layout: rec.Layout,
	}
	for _, tc := range []struct {
		name, hex string
		written   []byte
		want      any
		read      func([]byte) (any, error)
	}{
		{"head", "02ac02020380e2cfaa060180808080400a0c100e128010", h.encode(), h, func(b []byte) (any, error) {
			h, _, err := decodeHead(b)
			return h, err
		}},
		{"mailbox", "0209456e7477c3bc726665075c447261667473099003ad0206050403808080018e03a2020b0c9802020a24466f72776172646564017801", box.encode(), box, func(b []byte) (any, error) { return decodeMailbox(7, b) }},
		{"mailbox of version 1", "0109456e7477c3bc726665075c447261667473099003ad0206050403808080018e03a2020b0c9802020a24466f727761726465640178", nil, &oldBox, func(b []byte) (any, error) { return decodeMailbox(7, b) }},
		{"chunk", "0302ac0280c49fd50c0101802000008404930586c49fd50c2c8880808080200101ff83af5ff503c00785c49fd50c", ch.encode(), ch, func(b []byte) (any, error) { return decodeChunk(1, b) }},
		{"chunk of version 2", "0202ac0280c49fd50c010180200000840493052c8880808080200101ff83af5ff503c007", nil, chunkOf(2), func(b []byte) (any, error) { return decodeChunk(1, b) }},
		{"chunk of version 1", "0102ac0280c49fd50c0101802000002c8880808080200101ff83af5f", nil, chunkOf(1), func(b []byte) (any, error) { return decodeChunk(1, b) }},
		{"feed", "0380c49fd50c0401018f03014d01ac0278020102010404000501ac02630608", feed.encode(), feed, func(b []byte) (any, error) { return decodeFeed(301, b) }},
		{"feed of version 2", "0280c49fd50c0401018f03014d01ac0278020102010404000501ac02630608", nil, feedOf(2), func(b []byte) (any, error) { return decodeFeed(301, b) }},
		{"note", "0203036f6c640305d80402d704010e", notes.encode(), []expungeNote{notes}, func(b []byte) (any, error) { return decodeNotes(b) }},
		{
			"note of version 1", "010100020502010203036f6c640101feffffff0f", nil,
			[]expungeNote{{why: expunged, uids: ranges{{5, 7}, {8, 10}}}, {why: dropped, name: "old", uids: AllUIDs}},
			func(b []byte) (any, error) { return decodeNotes(b) },
		},
		{"feed of version 1", "0180c49fd50c0401018f03014d01020102010404000501ac02630608", nil, feedOf(1), func(b []byte) (any, error) { return decodeFeed(301, b) }},
		{
			"note for POP3", "0103612e3180c49fd50c", (&POP3Note{UIDL: "a.1", Fetched: time.Unix(1_700_000_000, 0)}).encode(),
			POP3Note{UID: 7, UIDL: "a.1", Fetched: time.Unix(1_700_000_000, 0)},
			func(b []byte) (any, error) { return decodePOP3Note(7, b) },
		},
		{
			"record", "01010000000000000102000000006553f101000000006553f1009305e8070528656e7629042862732906483a20780d0a0361c3b103010203", encodeRecord(rec.EmailID, rec.SaveDate, rec.InternalDate, true, stored.tail()), rec,
			func(b []byte) (any, error) {
				got := &Record{}
				return got, got.decode(b)
			},
		},
	} {
		b, _ := hex.DecodeString(tc.hex)
		if tc.written != nil && !bytes.Equal(tc.written, b) {
			t.Errorf("%s is written as\n%x", tc.name, tc.written)
		}
		if got, err := tc.read(b); err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s is read as\n%+v, %v; want\n%+v", tc.name, got, err, tc.want)
		}
	}
}

// ofVersion is entries as an old version of their forms has them.
func ofVersion(version int, entries []Entry) []Entry {
	entries = slices.Clone(entries)
	for i := range entries {
		if entries[i].Saved = 0; version == 1 {
			entries[i].Content, entries[i].Zone = 0, UnknownZone
		}
	}
	return entries
}

// TestOldHead: heads of before there were limits but on bytes, and before mailboxes were
// counted, are read, and counted.
func TestOldHead(t *testing.T) {
	b, _ := hex.DecodeString("01ac02020380e2cfaa060180808080400a")
	engine := memkv.New(memkv.Options{})
	defer engine.Close()
	s := New(Options{Engine: engine, Blobs: memblob.New(memblob.Options{})})
	a := s.Account(7)
	if _, err := a.Mailboxes(t.Context()); err != nil { // it comes into being
		t.Fatal(err)
	}
	err := engine.Update(t.Context(), []kv.Shard{a.shard}, func(tx kv.Tx) error { return tx.In(a.shard).Put(keyHead, b) })
	if err != nil {
		t.Fatal(err)
	}
	want := Quota{Limit: Resources{Bytes: -1}, Used: Resources{Bytes: 1 << 33, Messages: 5, Mailboxes: 6}}
	if q, err := a.Quota(t.Context()); err != nil || q != want {
		t.Errorf("read %+v, %v; want %+v", q, err, want)
	}
	err = a.Update(t.Context(), func(tx *Tx) error {
		_, err := tx.CreateMailbox("new", "")
		return err
	})
	want.Used.Mailboxes++
	if q, qerr := a.Quota(t.Context()); err != nil || qerr != nil || q != want {
		t.Errorf("after a CREATE: %+v, %v, %v; want %+v", q, err, qerr, want)
	}
}
