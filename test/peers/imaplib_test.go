package peers

import (
	"fmt"
	"testing"

	"posthorn/internal/config"
	"posthorn/test/live"
)

// day is what a mail program does in the course of a day. The folder is named 项目 in
// modified UTF-7 (RFC 3501 §5.1.3).
const day = `
import imaplib, ssl, sys, time
port, cert, user, password = sys.argv[1:]
folder = '&mHl27g-/2026'
message = b'Subject: =?UTF-8?B?5Lya6K6u57qq6KaB?=\r\nFrom: alice@example.test\r\n\r\nbody\r\n'

def ok(answer):
    assert answer[0] == 'OK', answer
    return answer[1]

with imaplib.IMAP4('localhost', int(port)) as c:
    c.starttls(ssl.create_default_context(cafile=cert))
    ok(c.login(user, password))
    assert {'IDLE', 'UIDPLUS', 'MOVE', 'SPECIAL-USE'} <= set(c.capability()[1][0].decode().split())
    ok(c.create(folder))
    ok(c.subscribe(folder))
    assert any(folder.encode() in line for line in ok(c.list('""', '*')))
    assert any(folder.encode() in line for line in ok(c.lsub('""', '*')))
    for i in range(10):
        when = imaplib.Time2Internaldate(time.gmtime(1700000000 + 86400 * i))
        ok(c.append(folder, r'(\Seen $Work)' if i % 2 else None, when, message))
    assert ok(c.select(folder)) == [b'10']
    assert ok(c.search(None, 'UNSEEN')) == [b'1 3 5 7 9']
    assert ok(c.search(None, 'KEYWORD', '$Work', 'SINCE', '20-Nov-2023')) == [b'8 10']
    c.literal = '纪要'.encode()
    assert ok(c.search('UTF-8', 'SUBJECT')) == [b'1 2 3 4 5 6 7 8 9 10']
    ok(c.store('1:3', '+FLAGS', r'\Flagged'))
    assert ok(c.uid('SEARCH', 'FLAGGED')) == [b'1 2 3']
    ok(c.copy('4:5', 'Archive'))
    ok(c.uid('MOVE', '6:7', 'Archive'))
    status = ok(c.status('Archive', '(MESSAGES UNSEEN UIDNEXT)'))[0].decode()
    assert all(item in status for item in ('MESSAGES 4', 'UNSEEN 2', 'UIDNEXT 5')), status
    ok(c.store('1:2', '+FLAGS.SILENT', r'\Deleted'))
    assert ok(c.expunge()) == [b'6', b'6', b'1', b'1'] # those of MOVE were not asked for yet
    assert ok(c.uid('SEARCH', 'ALL')) == [b'3 4 5 8 9 10']
    flags, text = ok(c.fetch('1', '(FLAGS BODY.PEEK[TEXT])'))[0]
    assert b'\\Flagged' in flags and text == b'body\r\n', (flags, text)
    ok(c.close())
    ok(c.rename(folder, '&mHl27g-/2027'))
    assert ok(c.select('&mHl27g-/2027', readonly=True)) == [b'6']
    ok(c.unselect())
    ok(c.delete('&mHl27g-/2027'))
    assert c.select('&mHl27g-/2027')[0] == 'NO'
`

// TestIMAPLibWorks lets Python's client do all sorts of things.
func TestIMAPLibWorks(t *testing.T) {
	p := start(t, "alice")
	p.run(nil, "python3", "-c", day, fmt.Sprint(p.server.Port(config.IMAP)), p.certificate(), "alice@"+live.Domain, live.Password)
	p.server.Verify(t)
}
