package peers

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"posthorn/internal/config"
	"posthorn/test/live"
)

// mutt opens a mailbox and presses keys. It wants a terminal: script gives it one.
func (p *peers) mutt(user, mailbox, keys string) {
	p.Helper()
	rc := p.file("muttrc", fmt.Sprintf(`set imap_user="%s@%s" imap_pass="%s" certificate_file="%s"
set ssl_verify_host=no mbox_type=Maildir quit=yes delete=yes move=no confirmappend=no confirmcreate=no wait_key=no
set header_cache="" copy=no sleep_time=0 auto_tag=yes mark_old=no folder="%s" charset="utf-8"
push "%s<exit>"
`, user, live.Domain, live.Password, p.certificate(), p.dir, keys), 0o600) // without its folder, it asks
	p.run(nil, "script", "-qec", fmt.Sprintf("mutt -n -F %s -f '%s'", rc, mailbox), p.dir+"/screen")
}

// imapURL is a mailbox as mutt is told of it.
func (p *peers) imapURL(mailbox string) string {
	return fmt.Sprintf("imaps://localhost:%d/%s", p.server.Port(config.IMAPS), url.PathEscape(mailbox))
}

// TestMuttSynchronises: what a person does with mutt, which keeps no copy of the mail
// but takes up what is in Maildirs, changes it on the server while somebody else does,
// and takes all of it down again, comes to the same on both sides.
func TestMuttSynchronises(t *testing.T) {
	t.Parallel()
	p := start(t, "mutt")
	all := withoutDrafts(correspondence())
	mailboxes := map[string]string{} // how the Maildir is called, and the mailbox
	for _, it := range all[kept] {
		if mailboxes[it.mailbox] == "" {
			mailboxes[it.mailbox] = strconv.Itoa(len(mailboxes))
		}
	}
	mailboxes[elsewhere] = "elsewhere"

	farMail, nearMail := before(all)
	for id, it := range nearMail { // mutt writes "Status: RO" into what it puts up, and believes it for ever
		if strings.Contains(id, "-unsee.") {
			farMail[id] = it
			delete(nearMail, id)
		}
	}
	p.fill("mutt", farMail)
	p.muttPutsUp(mailboxes, nearMail, "first")
	maps.Copy(farMail, nearMail)
	p.muttAgrees(mailboxes, "after the messages of Maildirs were copied up", farMail)

	p.edit("mutt")
	p.fill("mutt", all[farNew])
	for mailbox := range mailboxes {
		if mailbox != elsewhere {
			p.mutt("mutt", p.imapURL(mailbox), "<tag-pattern>~i near-flag|~i both-flag<enter><flag-message><untag-pattern>~A<enter>"+
				"<tag-pattern>~i near-unsee<enter><set-flag>N<untag-pattern>~A<enter><delete-pattern>~i near-delete<enter>"+
				"<tag-pattern>~i near-move<enter><save-message>"+p.imapURL(elsewhere)+"<enter><sync-mailbox>")
		}
	}
	p.muttPutsUp(mailboxes, all[nearNew], "new")
	p.muttAgrees(mailboxes, "after changes on both sides", after(all))
	far := p.dump("mutt")
	p.muttAgrees(mailboxes, "the second time", after(all))
	if again := p.dump("mutt"); !maps.Equal(again.status, far.status) {
		p.Errorf("reading changed the server's mailboxes from\n%v to\n%v", far.status, again.status)
	}
	p.server.Verify(t)
}

// withoutDrafts takes the flag D away, which mutt does not know.
func withoutDrafts(all map[fate]post) map[fate]post {
	for _, m := range all {
		for id, it := range m {
			it.flags = strings.ReplaceAll(it.flags, "D", "")
			m[id] = it
		}
	}
	return all
}

// muttPutsUp copies messages, which are written to Maildirs, to the server.
func (p *peers) muttPutsUp(mailboxes map[string]string, all post, when string) {
	p.Helper()
	up := maildirs{p, filepath.Join(p.dir, when), false}
	local := post{}
	for id, it := range all {
		it.mailbox = mailboxes[it.mailbox]
		local[id] = it
	}
	up.fill(local)
	for mailbox, name := range mailboxes {
		if mailbox != elsewhere {
			p.mutt("mutt", up.path(name), "<tag-pattern>~A<enter><copy-message>"+p.imapURL(mailbox)+"<enter>")
		}
	}
}

// muttAgrees copies everything down, and wants both sides to be as they should.
func (p *peers) muttAgrees(mailboxes map[string]string, when string, want post) {
	p.Helper()
	down := maildirs{p, filepath.Join(p.T.TempDir(), "down"), false}
	if err := os.Mkdir(down.root, 0o700); err != nil {
		p.Fatal(err)
	}
	mailboxOf := map[string]string{}
	for mailbox, name := range mailboxes {
		mailboxOf[name] = mailbox
		p.mutt("mutt", p.imapURL(mailbox), "<tag-pattern>~A<enter><copy-message>"+down.path(name)+"<enter>")
	}
	near := down.read()
	for id, it := range near {
		near[id] = item{mailboxOf[it.mailbox], it.flags, it.text}
	}
	p.agree(when, want, p.dump("mutt").post, near, withoutMuttFields)
}

// muttFields are those that mutt adds at the end of the header of a copy.
var muttFields = regexp.MustCompile(`(?s)^(.*?\r\n)(?:(?:Status|X-Status|Content-Length|Lines): [^\r]*\r\n)+`)

func withoutMuttFields(text []byte) []byte { return muttFields.ReplaceAll(text, []byte("$1")) }
