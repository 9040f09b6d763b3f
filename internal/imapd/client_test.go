package imapd

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"posthorn/internal/fault"
	"posthorn/internal/imapclient"
	"posthorn/internal/imapwire"
	"posthorn/internal/wire/wiretest"
)

// client connects the client twin.
func client(t *testing.T, nc net.Conn, o imapclient.Options) *imapclient.Client {
	t.Helper()
	c, err := imapclient.New(t.Context(), nc, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func only(uids ...uint32) (set imapwire.NumSet) {
	for _, uid := range uids {
		set.Ranges = append(set.Ranges, imapwire.NumRange{First: uid, Last: uid})
	}
	return set
}

// TestClientTwin takes mail from one mailbox to another with the client twin.
func TestClientTwin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ctx := newWorld(t), t.Context()
		var flagged []string
		c := client(t, w.imap.Dial(), imapclient.Options{Security: imapclient.Plain, OnFlags: func(m *imapclient.Message) {
			flagged = append(flagged, fmt.Sprint(m.UID, m.Flags))
		}})
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		err := c.Login(ctx, "alice", "wrong")
		if !fault.Is(err, fault.Unauthenticated) {
			t.Fatalf("with a wrong password: %v", err)
		}
		must(c.Login(ctx, "alice", "secret"))
		if _, err := c.Select(ctx, "项目 & mehr", false, imapwire.SelectOptions{}); !fault.Is(err, fault.NotFound) {
			t.Errorf("a mailbox that is not there: %v", err)
		}
		must(c.Create(ctx, "项目 & mehr"))
		all, err := c.List(ctx, "项*")
		if must(err); len(all) != 1 || all[0].Name != "项目 & mehr" || all[0].Separator != '/' {
			t.Errorf("LIST gives %+v", all)
		}
		texts := map[uint32]string{}
		for i := range 3 {
			text := fmt.Sprintf("Subject: %d\r\n\r\n", i) + strings.Repeat("body\r\n", i*3000)
			code, err := c.Append(ctx, "项目 & mehr", imapwire.AppendMessage{Flags: []string{`\Seen`}, Literal: imapwire.Literal{Size: int64(len(text))}}, strings.NewReader(text))
			must(err)
			texts[code.UID.Ranges[0].First] = text
		}
		m, err := c.Select(ctx, "项目 & mehr", false, imapwire.SelectOptions{CondStore: true})
		if must(err); m.Messages != 3 || m.UIDNext != 4 || m.HighestModSeq == 0 || m.ReadOnly || !slices.Contains(m.PermanentFlags, `\*`) {
			t.Errorf("SELECT gives %+v", m)
		}
		got := readAll(t, c)
		for uid, text := range texts {
			if got[uid] != text {
				t.Errorf("message %d is %d bytes, want %d", uid, len(got[uid]), len(text))
			}
		}
		must(c.Store(ctx, only(1, 2), imapwire.StoreOptions{Op: imapwire.StoreAdd, Flags: []string{`\Flagged`}}))
		if want := []string{`1[\Flagged \Seen]`, `2[\Flagged \Seen]`}; len(flagged) != 2 {
			t.Errorf("told of %v, want %v", flagged, want)
		}
		found, err := c.Search(ctx, "FLAGGED")
		if must(err); fmt.Sprint(found.Ranges) != "[{1 2}]" {
			t.Errorf("SEARCH FLAGGED gives %v", found)
		}
		code, err := c.Move(ctx, only(2), imapwire.Inbox)
		if must(err); code.Name != "COPYUID" || code.Source.Ranges[0].First != 2 {
			t.Errorf("MOVE gives %+v", code)
		}
		_, err = c.Copy(ctx, only(1), imapwire.Inbox)
		must(err)
		must(c.Store(ctx, only(1), imapwire.StoreOptions{Op: imapwire.StoreAdd, Flags: []string{`\Deleted`}, Silent: true}))
		must(c.Expunge(ctx, only(1)))
		status, err := c.Status(ctx, "项目 & mehr", imapwire.StatusMessages|imapwire.StatusUIDNext)
		if must(err); status.Get(imapwire.StatusMessages) != 1 || status.Get(imapwire.StatusUIDNext) != 4 || status.Name != "项目 & mehr" {
			t.Errorf("STATUS gives %+v", status)
		}
		enabled, err := c.Enable(ctx, "QRESYNC")
		if must(err); !slices.Contains(enabled, "QRESYNC") {
			t.Errorf("ENABLED %v", enabled)
		}
		m, err = c.Select(ctx, "项目 & mehr", true, imapwire.SelectOptions{QResync: &imapwire.QResync{UIDValidity: m.UIDValidity, ModSeq: m.HighestModSeq}})
		if must(err); !m.ReadOnly || fmt.Sprint(imapwire.Coalesce(m.Vanished.Ranges)) != "[{1 2}]" {
			t.Errorf("SELECT with QRESYNC gives %+v", m)
		}
		must(c.Logout(ctx))
	})
}

func readAll(t *testing.T, c *imapclient.Client) map[uint32]string {
	t.Helper()
	got := map[uint32]string{}
	err := c.Fetch(t.Context(), imapwire.NumSet{Ranges: []imapwire.NumRange{{First: 1, Last: imapwire.Star}}}, imapclient.Fetch{
		FetchOptions: imapwire.FetchOptions{Items: []imapwire.FetchItem{
			{Attr: imapwire.FetchUID},
			{Attr: imapwire.FetchSize},
			{Attr: imapwire.FetchEnvelope},
			{Attr: imapwire.FetchBodyStructure},
			{Attr: imapwire.FetchInternalDate},
			{Attr: imapwire.FetchSection, Peek: true},
		}},
		Body: func(m *imapclient.Message, _ *imapwire.FetchDatum, text io.Reader) error {
			b, err := io.ReadAll(text)
			got[m.UID] = string(b)
			if m.Size != uint64(len(b)) || m.Date.IsZero() {
				t.Errorf("message %+v has %d bytes", m, len(b))
			}
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestClientTwinIdles is told of a message as it comes, after STARTTLS.
func TestClientTwinIdles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ctx := newWorld(t), t.Context()
		_, trusting := wiretest.TLS(t)
		trusting.InsecureSkipVerify = true
		stop, cancel := context.WithCancel(ctx)
		var exists uint32
		c := client(t, w.safe.Dial(), imapclient.Options{Security: imapclient.StartTLS, TLS: trusting, On: func(r *imapwire.Response) {
			if r.Name == "EXISTS" {
				exists = r.Number
				cancel()
			}
		}})
		if err := c.Login(ctx, "alice", "secret"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Select(ctx, imapwire.Inbox, false, imapwire.SelectOptions{}); err != nil {
			t.Fatal(err)
		}
		other := client(t, w.imap.Dial(), imapclient.Options{Security: imapclient.Plain})
		if err := other.Login(ctx, "alice", "secret"); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- c.Idle(ctx, stop) }()
		synctest.Wait()
		if _, err := other.Append(ctx, imapwire.Inbox, imapwire.AppendMessage{Literal: imapwire.Literal{Size: 4}}, strings.NewReader("\r\nx\n")); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil || exists != 1 {
			t.Errorf("IDLE told of %d messages: %v", exists, err)
		}
		if err := c.Noop(ctx); err != nil {
			t.Errorf("after IDLE: %v", err)
		}
	})
}
