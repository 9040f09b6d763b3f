package peers

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"posthorn/internal/config"
	"posthorn/test/live"
)

// fate is what becomes of a message after both sides have it for the first time, and
// which side does it. The far side is the server, the near one the mail program's.
type fate string

const (
	kept      fate = "kept"
	farFlag   fate = "far-flag" // becomes \Flagged
	nearFlag  fate = "near-flag"
	farUnsee  fate = "far-unsee" // loses \Seen
	nearUnsee fate = "near-unsee"
	bothFlag  fate = "both-flag" // becomes \Answered there and \Flagged here
	farDelete fate = "far-delete"
	nearKill  fate = "near-delete"
	farMove   fate = "far-move" // moves elsewhere
	nearMove  fate = "near-move"
	farNew    fate = "far-new" // comes only then
	nearNew   fate = "near-new"
)

// elsewhere is where messages are moved to.
const elsewhere = "归档/旧的 & 新的"

// item is a message on one of the sides. Its flags are those of Maildirs: D, F, R, S
// for \Draft, \Flagged, \Answered, \Seen, in this order.
type item struct {
	mailbox string
	flags   string
	text    []byte // with CRLF
}

// post is what one side has, by Message-ID.
type post map[string]item

// correspondence is the mail of a synchronisation: 500 messages of all kinds, in mailboxes whose
// names are not simple. The Message-ID begins with the fate.
func correspondence() map[fate]post {
	mailboxes := []string{"INBOX", "项目/2026 年/纪要", "a & b", "with  spaces in it", "Ордер (новый)"}
	fates := []fate{kept, farFlag, nearFlag, farUnsee, nearUnsee, bothFlag, farDelete, nearKill, farMove, nearMove, kept, farNew, nearNew}
	kinds := letters("sync")
	all := map[fate]post{}
	for _, f := range fates {
		all[f] = post{}
	}
	for i := range 500 {
		kind := kinds[i%6]
		switch {
		case i%50 == 7:
			kind = kinds[6] // with attachments
		case i == 100:
			kind = kinds[7] // large
		}
		f := fates[i/len(mailboxes)%len(fates)]
		id := fmt.Sprintf("<%s.%d.%s@example.org>", f, i, kind.name)
		flags := []string{"S", "RS", "DS", "S"}[i%4]
		all[f][id] = item{mailboxes[i%len(mailboxes)], flags, messageID.ReplaceAllLiteral(kind.text, []byte("Message-ID: "+id))}
	}
	return all
}

// before is the mail at first, divided between the sides; after is what both have in
// the end.
func before(all map[fate]post) (far, near post) {
	far, near = post{}, post{}
	for f, m := range all {
		for i, id := range slices.Sorted(maps.Keys(m)) {
			switch {
			case f == farNew || f == nearNew:
			case i%3 == 0:
				near[id] = m[id]
			default:
				far[id] = m[id]
			}
		}
	}
	return far, near
}

func after(all map[fate]post) post {
	result := post{}
	for f, m := range all {
		for id, it := range m {
			if f == farDelete || f == nearKill {
				continue
			}
			result[id] = changed(f, it)
		}
	}
	return result
}

// changed is a message after its fate.
func changed(f fate, it item) item {
	set := func(add string) string {
		all := strings.Split(it.flags+add, "")
		slices.Sort(all)
		return strings.Join(slices.Compact(all), "")
	}
	switch f {
	case farFlag, nearFlag:
		it.flags = set("F")
	case bothFlag:
		it.flags = set("FR")
	case farUnsee, nearUnsee:
		it.flags = strings.ReplaceAll(it.flags, "S", "")
	case farMove, nearMove:
		it.mailbox = elsewhere
	}
	return it
}

// synchroniser is a program that keeps Maildirs and the server's mailboxes alike.
type synchroniser struct {
	run      func(p *peers, user string)
	utf7     bool                     // its folders are named in modified UTF-7
	original func(text []byte) []byte // takes out what it puts into messages
}

// TestSynchronise: programs that keep a copy of the mail let both sides agree, to the
// byte and to the flag, whatever has been done on both of them; and when nothing has
// been done, they change nothing.
func TestSynchronise(t *testing.T) {
	t.Parallel()
	programs := map[string]synchroniser{
		"mbsync":      {run: (*peers).mbsync, utf7: true, original: withoutTUID},
		"offlineimap": {run: (*peers).offlineimap, utf7: true, original: withoutPadding},
		"imaplib":     {run: (*peers).syncIMAPLib, utf7: true},
		"imapflow":    {run: (*peers).syncImapflow},
	}
	p := start(t, slices.Collect(maps.Keys(programs))...)
	for name, program := range programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synchronise(p.in(t), name, program)
		})
	}
	t.Cleanup(func() { p.server.Verify(t) })
}

func synchronise(p *peers, user string, program synchroniser) {
	near := maildirs{p, filepath.Join(p.dir, "maildir"), program.utf7}
	all := correspondence()
	farMail, nearMail := before(all)
	p.fill(user, farMail)
	near.fill(nearMail)
	program.run(p, user)
	maps.Copy(farMail, nearMail)
	p.agree("after the first synchronisation", farMail, p.dump(user).post, near.read(), program.original)

	p.edit(user)
	p.fill(user, all[farNew])
	near.edit()
	near.fill(all[nearNew])
	program.run(p, user)
	far := p.dump(user)
	p.agree("after changes on both sides", after(all), far.post, near.read(), program.original)

	files := near.files()
	program.run(p, user)
	again := p.dump(user)
	if !maps.Equal(again.status, far.status) {
		p.Errorf("a further synchronisation changed the server's mailboxes from\n%v to\n%v", far.status, again.status)
	}
	if now := near.files(); !slices.Equal(now, files) {
		p.Errorf("a further synchronisation changed the Maildirs: %d files, then %d", len(files), len(now))
	}
}

// agree wants both sides to have the mail that they should have.
func (p *peers) agree(when string, want, far, near post, original func([]byte) []byte) {
	p.Helper()
	differences := 0
	for side, got := range map[string]post{"far": far, "near": near} {
		for id := range got {
			if _, ok := want[id]; !ok {
				p.Errorf("%s, the %s side has %s", when, side, id)
				differences++
			}
		}
		for id, w := range want {
			g, ok := got[id]
			switch {
			case !ok:
				p.Errorf("%s, the %s side lacks %s", when, side, id)
			case g.mailbox != w.mailbox:
				p.Errorf("%s, the %s side has %s in %q, want %q", when, side, id, g.mailbox, w.mailbox)
			case g.flags != w.flags:
				p.Errorf("%s, the %s side has %s with the flags %q, want %q", when, side, id, g.flags, w.flags)
			case !bytes.Equal(g.text, w.text) && (original == nil || !bytes.Equal(original(g.text), original(w.text))):
				p.Errorf("%s, the %s side has %s changed: %s", when, side, id, difference(g.text, w.text))
			default:
				continue
			}
			if differences++; differences > 5 {
				p.Fatal("and so on")
			}
		}
	}
	if differences > 0 {
		p.FailNow()
	}
}

// offlineimap synchronises as mbsync does. Its status is in files, and its threads are
// as many as it takes.
func (p *peers) offlineimap(user string) {
	p.Helper()
	rc := p.file("offlineimaprc", fmt.Sprintf(`[general]
accounts = posthorn
metadata = %[1]s/offlineimap
ui = quiet
socktimeout = 60
[Account posthorn]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = %[1]s/maildir
sep = /
[Repository far]
type = IMAP
remotehost = localhost
remoteport = %[2]d
remoteuser = %[3]s@%[4]s
remotepass = %[5]s
ssl = yes
sslcacertfile = %[6]s
maxconnections = 3
`, p.dir, p.server.Port(config.IMAPS), user, live.Domain, live.Password, p.certificate()), 0o600)
	if err := os.MkdirAll(filepath.Join(p.dir, "maildir"), 0o700); err != nil {
		p.Fatal(err)
	}
	p.run(nil, "offlineimap", "-o", "-c", rc)
}

// withoutPadding takes out the space that offlineimap's MIME library puts into an empty
// field.
func withoutPadding(text []byte) []byte {
	return bytes.ReplaceAll(text, []byte("X-Empty: \r\n"), []byte("X-Empty:\r\n"))
}

// syncIMAPLib and syncImapflow run programs that use these libraries.
func (p *peers) syncIMAPLib(user string) {
	p.Helper()
	p.run(nil, "python3", "testdata/sync.py", fmt.Sprint(p.server.Port(config.IMAPS)), p.certificate(),
		user+"@"+live.Domain, live.Password, filepath.Join(p.dir, "maildir"))
}

func (p *peers) syncImapflow(user string) {
	p.Helper()
	p.run(nil, "node", "testdata/sync.js", fmt.Sprint(p.server.Port(config.IMAPS)),
		user+"@"+live.Domain, live.Password, filepath.Join(p.dir, "maildir"))
}
