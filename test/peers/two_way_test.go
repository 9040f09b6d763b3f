package peers

import (
	"bytes"
	"fmt"
	"mime"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posthorn/internal/config"
	"posthorn/test/live"
)

// mbsync synchronises INBOX and a folder with a local Maildir in both directions.
func (p *peers) mbsync(user string) {
	p.Helper()
	rc := p.file("mbsyncrc", fmt.Sprintf(`IMAPAccount posthorn
Host localhost
Port %d
User "%s@%s"
Pass "%s"
SSLType IMAPS
CertificateFile %s
AuthMechs LOGIN

IMAPStore far
Account posthorn

MaildirStore near
Path %s/maildir/
Inbox %s/maildir/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns * !Trash
Create Both
Expunge Both
SyncState *
`, p.server.Port(config.IMAPS), user, live.Domain, live.Password, p.certificate(), p.dir, p.dir), 0o600)
	if err := os.MkdirAll(filepath.Join(p.dir, "maildir"), 0o700); err != nil {
		p.Fatal(err)
	}
	p.run(nil, "mbsync", "-c", rc, "all")
}

func readMbsync(p *peers, user string) (all [][]byte) {
	p.Helper()
	p.mbsync(user)
	for _, text := range append(p.folder("maildir/INBOX/new/*"), p.folder("maildir/INBOX/cur/*")...) {
		all = append(all, crlf(withoutTUID(text)))
	}
	return all
}

// withoutTUID takes out the field by which mbsync recognises what it has copied.
func withoutTUID(text []byte) []byte {
	before, rest, ok := bytes.Cut(text, []byte("X-TUID: "))
	if !ok {
		return text
	}
	_, after, _ := bytes.Cut(rest, []byte("\n"))
	return append(bytes.Clone(before), after...)
}

// TestMbsyncBothWays: what is put into the Maildir arrives on the server, what is
// deleted or flagged on one side is so on the other, and a second run finds nothing to do.
func TestMbsyncBothWays(t *testing.T) {
	p := start(t, "alice")
	all := letters("alice")
	for _, l := range all[:3] {
		sendSwaks(p, "alice", l)
	}
	p.mbsync("alice")
	received := append(p.names("maildir/INBOX/new/*"), p.names("maildir/INBOX/cur/*")...)
	if len(received) != 3 {
		t.Fatalf("mbsync fetched %d messages, want 3", len(received))
	}
	if err := os.Remove(received[0]); err != nil {
		t.Fatal(err)
	}
	local := bytes.ReplaceAll(all[4].text, []byte("\r\n"), []byte("\n"))
	name := filepath.Join(p.dir, "maildir", "INBOX", "cur", "1700000000.1_1.here:2,FS")
	if err := os.WriteFile(name, local, 0o600); err != nil {
		t.Fatal(err)
	}
	p.mbsync("alice")
	messages := readIMAPLib(p, "alice")
	if len(messages) != 3 {
		t.Fatalf("%d messages on the server, want 3: two received, one uploaded, one deleted", len(messages))
	}
	uploaded := withoutTUID(messages[2])
	if !bytes.Equal(uploaded, all[4].text) {
		t.Errorf("the uploaded message was changed:\n%s", difference(uploaded, all[4].text))
	}
	flags := p.curl("alice", fmt.Sprintf("imaps://localhost:%d/INBOX", p.server.Port(config.IMAPS)), "--request", "SEARCH SEEN FLAGGED")
	if strings.TrimSpace(string(flags)) != "* SEARCH 3" {
		t.Errorf("messages that are seen and flagged: %q, want the third", flags)
	}
	before := p.names("maildir/INBOX/*/*")
	p.mbsync("alice")
	if after := p.names("maildir/INBOX/*/*"); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("a further run changed the Maildir from %v to %v", before, after)
	}
	p.server.Verify(t)
}

// names lists files.
func (p *peers) names(pattern string) []string {
	p.Helper()
	names, err := filepath.Glob(filepath.Join(p.dir, pattern))
	if err != nil {
		p.Fatal(err)
	}
	return names
}

// TestMuttComposes: mutt writes a message with a Chinese subject and an attachment,
// and what arrives says the same.
func TestMuttComposes(t *testing.T) {
	p := start(t, "alice")
	const subject, file = "测试邮件：附件请查收", "会议纪要.txt"
	rc := p.file("muttrc", fmt.Sprintf(`set smtp_url="smtps://alice@%s@localhost:%d/" smtp_pass="%s" certificate_file="%s" ssl_verify_host=no
set from="alice@%s" realname="张三" use_envelope_from=yes copy=no charset="utf-8" send_charset="us-ascii:utf-8"
`, live.Domain, p.server.Port(config.Submissions), live.Password, p.certificate(), live.Domain), 0o600)
	attachment := p.file(file, "第一项\n第二项\n", 0o600)
	p.run([]byte("早上好。\n.\n完\n"), "mutt", "-n", "-F", rc, "-s", subject, "-a", attachment, "--", "alice@"+live.Domain)

	messages := readIMAPLib(p, "alice")
	if len(messages) != 1 {
		t.Fatalf("%d messages have arrived, want 1", len(messages))
	}
	m, err := mail.ReadMessage(bytes.NewReader(messages[0]))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil || got != subject {
		t.Errorf("subject is %q (%v), want %q", got, err, subject)
	}
	if !strings.HasPrefix(m.Header.Get("Content-Type"), "multipart/mixed") {
		t.Errorf("type is %q, want multipart/mixed", m.Header.Get("Content-Type"))
	}
}
