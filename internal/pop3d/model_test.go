package pop3d

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// drop is the model of a maildrop: what is in INBOX, and what is unread of it.
type drop struct {
	inbox  []int // UIDs
	unread map[int]bool
	next   int
	trash  int // how many are there
}

// view is the model of a session.
type view struct {
	client  *client
	shown   []int // UIDs, by number
	marked  map[int]bool
	fetched map[int]bool
	last    int
	number  int // that was asked for last
}

// textOf is the message with a UID, 20 bytes.
func textOf(uid int) string { return fmt.Sprintf("Subject: %03d\r\n\r\nab\r\n", uid) }

// What a client deletes is gone after QUIT and only then; a connection that is cut
// changes nothing; and a session sees the same from its begin to its end.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var panicked any // as rapid's failures do
		synctest.Test(t, func(t *testing.T) {
			defer func() { panicked = recover() }()
			runModel(t, rt)
		})
		if panicked != nil {
			panic(panicked)
		}
	})
}

func runModel(t *testing.T, rt *rapid.T) {
	h := newHouse(t)
	s := Settings{Unread: rapid.Bool().Draw(rt, "unread"), Mark: rapid.Bool().Draw(rt, "mark"), Trash: rapid.Bool().Draw(rt, "trash")}
	h.wishes["alice@example.test"] = s
	d := &drop{unread: map[int]bool{}, next: 1}
	var v *view
	end := func(quit bool) {
		if quit {
			v.client.cmd("QUIT")
			d.quit(v, s)
		}
		v.client.nc.Close()
		v = nil
	}
	rt.Repeat(map[string]func(*rapid.T){
		"deliver": func(*rapid.T) {
			h.must(h.deliver("alice", textOf(d.next)))
			d.inbox, d.unread[d.next] = append(d.inbox, d.next), true
			d.next++
		},
		"expunge": func(rt *rapid.T) {
			if len(d.inbox) == 0 {
				rt.Skip()
			}
			i := rapid.IntRange(0, len(d.inbox)-1).Draw(rt, "which")
			h.must(h.expunge("alice", i+1))
			d.inbox = slices.Delete(d.inbox, i, i+1)
		},
		"open": func(rt *rapid.T) {
			if v != nil {
				rt.Skip()
			}
			v = d.open(h.login("plain", "alice"), s)
		},
		"command": func(rt *rapid.T) {
			if v == nil {
				rt.Skip()
			}
			v.command(rt)
		},
		"quit": func(rt *rapid.T) {
			if v == nil {
				rt.Skip()
			}
			end(true)
		},
		"cut": func(rt *rapid.T) {
			if v == nil {
				rt.Skip()
			}
			end(false)
		},
		"": func(rt *rapid.T) {
			synctest.Wait()
			if got, want := h.uids("alice"), strings.Trim(fmt.Sprint(d.inbox), "[]"); got != want {
				rt.Fatalf("INBOX has %s, want %s", got, want)
			}
			trash, err := h.store.Account(1).Mailbox(t.Context(), "Trash")
			h.must(err)
			if int(trash.Messages) != d.trash {
				rt.Fatalf("Trash has %d messages, want %d", trash.Messages, d.trash)
			}
		},
	})
	if v != nil {
		v.client.nc.Close()
	}
}

func (d *drop) open(c *client, s Settings) *view {
	v := &view{client: c, marked: map[int]bool{}, fetched: map[int]bool{}}
	for _, uid := range d.inbox {
		if !s.Unread || d.unread[uid] {
			v.shown = append(v.shown, uid)
		}
	}
	return v
}

func (d *drop) quit(v *view, s Settings) {
	for uid := range v.fetched {
		d.unread[uid] = d.unread[uid] && !s.Mark
	}
	for uid := range v.marked {
		i := slices.Index(d.inbox, uid)
		if i < 0 {
			continue
		}
		if d.inbox = slices.Delete(d.inbox, i, i+1); s.Trash {
			d.trash++
		}
	}
}

// command says one, and compares the answer.
func (v *view) command(rt *rapid.T) {
	number := v.number + 1 // as most clients do
	if number > len(v.shown)+1 || rapid.Bool().Draw(rt, "anywhere") {
		number = rapid.IntRange(0, len(v.shown)+1).Draw(rt, "number")
	}
	v.number = number
	keyword := rapid.SampledFrom([]string{"RETR", "TOP", "DELE", "LIST", "UIDL", "STAT", "RSET", "LAST"}).Draw(rt, "keyword")
	uid := 0
	if number > 0 && number <= len(v.shown) && !v.marked[v.shown[number-1]] {
		uid = v.shown[number-1]
	}
	line := keyword
	switch keyword {
	case "STAT", "RSET", "LAST":
	case "TOP":
		line = fmt.Sprintf("%s %d 0", keyword, number)
	default:
		line = fmt.Sprintf("%s %d", keyword, number)
	}
	io.WriteString(v.client.nc, line+"\r\n")
	got, err := v.client.r.ReadString('\n')
	if err != nil {
		rt.Fatal(err)
	}
	if want := v.answer(keyword, number, uid); !strings.HasPrefix(got, want) {
		rt.Fatalf("%s: got %q, want %q", line, got, want)
	}
	if uid != 0 && (keyword == "RETR" || keyword == "TOP") {
		if text := string(v.client.lines()); !strings.HasPrefix(textOf(uid), text) {
			rt.Fatalf("%s: got %q, want %q", line, text, textOf(uid))
		}
	}
}

// answer is what a command is answered, and what it does.
func (v *view) answer(keyword string, number, uid int) string {
	left := len(v.shown) - len(v.marked)
	switch keyword {
	case "STAT":
		return fmt.Sprintf("+OK %d %d\r\n", left, 20*left)
	case "LAST":
		return fmt.Sprintf("+OK %d\r\n", v.last)
	case "RSET":
		v.marked, v.last = map[int]bool{}, 0
		return fmt.Sprintf("+OK %d messages", len(v.shown))
	}
	if uid == 0 {
		return "-ERR No such message\r\n"
	}
	switch keyword {
	case "RETR":
		v.fetched[uid] = true
		fallthrough
	case "TOP":
		v.last = max(v.last, number)
	case "DELE":
		v.marked[uid] = true
	case "LIST":
		return fmt.Sprintf("+OK %d 20\r\n", number)
	case "UIDL":
		return fmt.Sprintf("+OK %d 946684800.%d\r\n", number, uid)
	}
	return "+OK"
}
