package queue

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/dsn"
	"posthorn/internal/smtpwire"
)

// TestStoredForms: what lies in queues out there is read as what it was written as,
// and is still written so.
func TestStoredForms(t *testing.T) {
	at := func(seconds int64) time.Time { return time.UnixMilli(1_700_000_000_123 + 1000*seconds) }
	m := &Message{
		ID: "0123456789abcdef", From: addr.Address{Local: "alice", Domain: "example.test"}, Created: at(0), NotBefore: at(60),
		DeliverBy: DeliverBy{At: at(3600), Return: true}, Priority: -3, EightBit: true, RequireTLS: true,
		Body: Body{Blob: "b10b", Size: 70_000, Skip: 25}, EnvelopeID: "env", Return: dsn.ReturnHeader, Language: "zh-CN", Header: []byte("DKIM-Signature: x\r\n"),
		Rewritten: addr.Address{Local: "SRS0=x", Domain: "us.test"}, Account: 300,
		Recipients: []Recipient{
			{addr.Address{Local: "bøb", Domain: "example.org"}, dsn.Notify(5), "rfc822;bob@example.org"},
			{Address: addr.Address{Local: "c", Domain: "d.test"}},
		},
	}
	p := Progress{
		State: Delivered, Held: true, Attempts: 200, Next: at(1), Last: at(2), Remote: "mx.test [192.0.2.1]", Route: "r.test",
		Reply: smtpwire.NewReply(250, smtpwire.EnhancedCode{2, 0, 0}, "one", "two"), owed: true,
	}
	for _, tc := range []struct {
		name, hex string
		written   []byte
		want      any
		read      func([]byte) (any, error)
	}{
		{"envelope", "04103031323334353637383961626364656605616c6963650c6578616d706c652e74657374f6a1abfef962b6cbb2fef962f6dbe281fa6205520462313062f0a2041903656e7601057a682d434e13444b494d2d5369676e61747572653a20780d0a06535253303d780775732e74657374ac02020462c3b8620b6578616d706c652e6f726705167266633832323b626f62406578616d706c652e6f7267016306642e746573740000", m.encode(), m, func(b []byte) (any, error) { return decodeMessage(b) }},
		{"progress", "010105c801c6b1abfef96296c1abfef96206722e74657374136d782e74657374205b3139322e302e322e315dfa0102000002036f6e650374776f", p.encode(), p, func(b []byte) (any, error) { return decodeProgress(b) }},
	} {
		b, _ := hex.DecodeString(tc.hex)
		if !bytes.Equal(tc.written, b) {
			t.Errorf("%s is written as\n%x", tc.name, tc.written)
		}
		if got, err := tc.read(b); err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s is read as\n%+v, %v; want\n%+v", tc.name, got, err, tc.want)
		}
	}

	before := *m // there was an Account
	before.Account = 0
	b, _ := hex.DecodeString("03103031323334353637383961626364656605616c6963650c6578616d706c652e74657374f6a1abfef962b6cbb2fef962f6dbe281fa6205520462313062f0a2041903656e7601057a682d434e13444b494d2d5369676e61747572653a20780d0a06535253303d780775732e74657374020462c3b8620b6578616d706c652e6f726705167266633832323b626f62406578616d706c652e6f7267016306642e746573740000")
	if got, err := decodeMessage(b); err != nil || !reflect.DeepEqual(got, &before) {
		t.Errorf("an envelope of version 3 is read as\n%+v, %v", got, err)
	}
	before.Rewritten = addr.Address{} // and a Rewritten
	b, _ = hex.DecodeString("02103031323334353637383961626364656605616c6963650c6578616d706c652e74657374f6a1abfef962b6cbb2fef962f6dbe281fa6205520462313062f0a2041903656e7601057a682d434e13444b494d2d5369676e61747572653a20780d0a020462c3b8620b6578616d706c652e6f726705167266633832323b626f62406578616d706c652e6f7267016306642e746573740000")
	if got, err := decodeMessage(b); err != nil || !reflect.DeepEqual(got, &before) {
		t.Errorf("an envelope of version 2 is read as\n%+v, %v", got, err)
	}
}
