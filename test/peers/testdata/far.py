# The other side of a synchronisation: somebody who works on the server meanwhile.
# What becomes of a message is told by its Message-ID.
import base64, imaplib, json, re, ssl, sys

port, cert, user, password, task = sys.argv[1:]
ELSEWHERE = json.loads(sys.stdin.readline())  # a mailbox, in modified UTF-7, quoted


def ok(answer):
    assert answer[0] == 'OK', answer
    return answer[1]


def mailboxes(c):
    for line in ok(c.list()):
        attributes, name = re.fullmatch(rb'\((.*?)\) "/" (.*)', line).groups()
        if b'\\Noselect' not in attributes and b'\\NonExistent' not in attributes:
            yield name.decode()


def fill(c):
    for line in sys.stdin:
        mailbox, flags, path = json.loads(line)
        c.create(mailbox)
        ok(c.append(mailbox, '(%s)' % flags, None, open(path, 'rb').read()))


def edit(c):
    def having(fate):
        return ok(c.uid('SEARCH', 'HEADER', 'MESSAGE-ID', '"<%s."' % fate))[0].decode().replace(' ', ',')

    c.create(ELSEWHERE)
    for mailbox in list(mailboxes(c)):
        ok(c.select(mailbox))
        for fate, change in {
            'far-flag': ('STORE', '+FLAGS', r'(\Flagged)'),
            'far-unsee': ('STORE', '-FLAGS', r'(\Seen)'),
            'both-flag': ('STORE', '+FLAGS.SILENT', r'(\Answered)'),
            'far-delete': ('STORE', '+FLAGS', r'(\Deleted)'),
            'far-move': ('MOVE', ELSEWHERE),
        }.items():
            if uids := having(fate):
                ok(c.uid(change[0], uids, *change[1:]))
        ok(c.expunge())


def dump(c):
    for mailbox in mailboxes(c):
        status = ok(c.status(mailbox, '(UIDVALIDITY UIDNEXT HIGHESTMODSEQ)'))
        if ok(c.select(mailbox, readonly=True)) == [b'0']:
            continue
        for item in ok(c.fetch('1:*', '(UID FLAGS BODY.PEEK[])')):
            if item == b')':
                continue
            about, text = item
            uid = int(re.search(rb'UID (\d+)', about)[1])
            flags = re.search(rb'FLAGS \((.*?)\)', about)[1].decode()
            print(json.dumps({'Mailbox': mailbox.strip('"'), 'Status': status[0].decode(), 'UID': uid, 'Flags': flags,
                              'Text': base64.b64encode(text).decode()}))


with imaplib.IMAP4_SSL('localhost', int(port), ssl_context=ssl.create_default_context(cafile=cert)) as c:
    ok(c.login(user, password))
    {'fill': fill, 'edit': edit, 'dump': dump}[task](c)
