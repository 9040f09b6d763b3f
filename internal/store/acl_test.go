package store

import (
	"encoding/hex"
	"reflect"
	"testing"
)

// TestACLForms: what lies in stores out there is read as what it was written as.
func TestACLForms(t *testing.T) {
	want := ACL{
		{Identifier: "bob@example.test", Account: 300, Rights: RightLookup | RightAdmin},
		{Identifier: Anyone, Negative: true, Rights: AllRights},
	}
	b, _ := hex.DecodeString("010210626f62406578616d706c652e74657374ac0200810806616e796f6e650001ff0f")
	if have := want.encode(); hex.EncodeToString(have) != hex.EncodeToString(b) {
		t.Errorf("a list is written as %x", have)
	}
	if have, err := decodeACL(b); err != nil || !reflect.DeepEqual(have, want) {
		t.Errorf("a list is read as %+v, %v", have, err)
	}
	feed := &feedRecord{modSeq: 301, time: 1_700_000_000, changes: []change{
		{kind: flagsReplaced, flags: Seen, mask: Seen | Deleted, uids: ranges{{1, 5}}},
		{kind: mailboxUsed, mailbox: 8},
		{kind: metadataChanged, mailbox: 9, who: 7, entry: "/private/comment"},
		{kind: aclChanged, mailbox: 10},
	}}
	if have, err := decodeFeed(301, feed.encode()); err != nil || !reflect.DeepEqual(have, feed) {
		t.Errorf("a feed is read as %+v, %v", have, err)
	}
}

// FuzzACL: a list that is damaged is an error and nothing else.
func FuzzACL(f *testing.F) {
	f.Add(ACL{{Identifier: "bob@example.test", Account: 300, Rights: AllRights}}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		acl, err := decodeACL(b)
		if err != nil {
			return
		}
		if again, err := decodeACL(acl.encode()); err != nil || !reflect.DeepEqual(again, acl) {
			t.Errorf("%x is %+v, then %+v, %v", b, acl, again, err)
		}
	})
}

func TestRights(t *testing.T) {
	for letters, want := range map[string]string{
		"": "", "lrs": "lrs", "rl": "lr", "c": "kxc", "d": "ted", "lrswipkxtea": "lrswipkxteacd", "k": "kc",
	} {
		r, err := ParseRights(letters)
		if err != nil || r.String() != want {
			t.Errorf("%q is %q, %v; want %q", letters, r, err, want)
		}
	}
	for _, letters := range []string{"R", "q", "l r", "é"} {
		if r, err := ParseRights(letters); err == nil {
			t.Errorf("%q is %q", letters, r)
		}
	}
}
