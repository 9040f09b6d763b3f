# A synchronisation of Maildirs with the server as people write it with imaplib.
import imaplib, json, os, re, ssl, sys, uuid

port, cert, user, password, near = sys.argv[1:]
LETTERS = {'S': '\\Seen', 'R': '\\Answered', 'F': '\\Flagged', 'D': '\\Draft'}


def ok(answer):
    assert answer[0] == 'OK', answer
    return answer[1]


def letters(flags):
    return {l for l, f in LETTERS.items() if f in flags.split()}


def store(c, uid, how, changed):
    if changed:
        ok(c.uid('STORE', uid, how + 'FLAGS', '(%s)' % ' '.join(LETTERS[l] for l in changed)))


def files(folder):
    """The messages of a Maildir: base name -> (path, letters)."""
    found = {}
    for sub in ('new', 'cur'):
        os.makedirs(os.path.join(folder, sub), exist_ok=True)
        for name in os.listdir(os.path.join(folder, sub)):
            base, _, flags = name.partition(':2,')
            found[base] = (os.path.join(folder, sub, name), set(flags))
    return found


def put(folder, base, flags, path=None, text=None):
    name = os.path.join(folder, 'cur', base + ':2,' + ''.join(sorted(flags)))
    if path:
        os.rename(path, name)
    else:
        with open(name, 'wb') as f:
            f.write(text.replace(b'\r\n', b'\n'))


def sync(c, mailbox, folder):
    quoted = '"' + mailbox.replace('\\', '\\\\').replace('"', '\\"') + '"'
    c.create(quoted)
    ok(c.select(quoted))
    state_file = os.path.join(folder, 'state')
    known = json.load(open(state_file)) if os.path.exists(state_file) else {}
    here = files(folder)
    there = {}
    if ok(c.uid('SEARCH', 'ALL')) != [b'']:
        for line in ok(c.uid('FETCH', '1:*', '(FLAGS)')):
            there[re.search(rb'UID (\d+)', line)[1].decode()] = letters(re.search(rb'FLAGS \((.*?)\)', line)[1].decode())

    for uid, (base, flags) in list(known.items()):
        flags = set(flags)
        if uid not in there or base not in here:
            if uid in there:
                ok(c.uid('STORE', uid, '+FLAGS', '(\\Deleted)'))
                ok(c.uid('EXPUNGE', uid))
            elif base in here:
                os.remove(here[base][0])
            del known[uid]
            continue
        path, ours = here[base]
        theirs = there[uid]
        store(c, uid, '+', (ours - flags) - theirs)
        store(c, uid, '-', (flags - ours) & theirs)
        merged = (flags | ours | theirs) - (flags - ours) - (flags - theirs)
        if merged != ours:
            put(folder, base, merged, path=path)
        known[uid] = (base, sorted(merged))

    paired = {base for base, _ in known.values()}
    for base, (path, flags) in here.items():
        if base not in paired and os.path.exists(path):
            text = open(path, 'rb').read().replace(b'\n', b'\r\n')
            answer = ok(c.append(quoted, '(%s)' % ' '.join(LETTERS[l] for l in flags), None, text))
            known[re.search(rb'APPENDUID \d+ (\d+)', answer[0])[1].decode()] = (base, sorted(flags))
    fresh = [uid for uid in there if uid not in known]
    for i in range(0, len(fresh), 50):
        for item in ok(c.uid('FETCH', ','.join(fresh[i:i + 50]), '(FLAGS BODY.PEEK[])')):
            if item == b')':
                continue
            uid = re.search(rb'UID (\d+)', item[0])[1].decode()
            base = uuid.uuid4().hex
            put(folder, base, there[uid], text=item[1])
            known[uid] = (base, sorted(there[uid]))
    with open(state_file, 'w') as f:
        json.dump(known, f)
    ok(c.close())


with imaplib.IMAP4_SSL('localhost', int(port), ssl_context=ssl.create_default_context(cafile=cert)) as c:
    ok(c.login(user, password))
    names = {re.fullmatch(rb'\(.*?\) "/" "?(.*?)"?', line)[1].decode()
             for line in ok(c.list()) if b'\\Noselect' not in line and b'\\NonExistent' not in line}
    for path, folders, _ in os.walk(near):
        if 'cur' in folders:
            names.add(os.path.relpath(path, near))
    for name in sorted(names):
        sync(c, name, os.path.join(near, name))
