// A synchronisation of Maildirs with the server as people write it with imapflow, which
// enables CONDSTORE and QRESYNC, and IDLEs in between.
const fs = require('fs'), path = require('path'), crypto = require('crypto')
const { ImapFlow } = require('/opt/posthorn-test/node/node_modules/imapflow')
const [port, user, pass, near] = process.argv.slice(2)
const LETTERS = { S: '\\Seen', R: '\\Answered', F: '\\Flagged', D: '\\Draft' }

const letters = flags => Object.keys(LETTERS).filter(l => flags.has(LETTERS[l]))
const flags = letters => letters.map(l => LETTERS[l])
const fileName = (folder, base, letters) => path.join(folder, 'cur', base + ':2,' + [...letters].sort().join(''))

// files are the messages of a Maildir: base name -> { file, letters }.
function files(folder) {
	const found = new Map()
	for (const sub of ['new', 'cur']) {
		fs.mkdirSync(path.join(folder, sub), { recursive: true })
		for (const name of fs.readdirSync(path.join(folder, sub))) {
			const [base, letters = ''] = name.split(':2,')
			found.set(base, { file: path.join(folder, sub, name), letters: [...letters] })
		}
	}
	return found
}

async function sync(client, mailbox, folder) {
	await client.mailboxCreate(mailbox) // says so if it is there
	const lock = await client.getMailboxLock(mailbox)
	try {
		const stateFile = path.join(folder, 'state')
		const known = new Map(fs.existsSync(stateFile) ? JSON.parse(fs.readFileSync(stateFile)) : [])
		const here = files(folder), there = new Map()
		if (client.mailbox.exists) {
			for await (const m of client.fetch('1:*', { uid: true, flags: true })) there.set(m.uid, letters(m.flags))
		}
		for (const [uid, pair] of [...known]) {
			const ours = here.get(pair.base), theirs = there.get(uid)
			if (!ours || !theirs) {
				if (theirs) await client.messageDelete(String(uid), { uid: true })
				if (ours) fs.rmSync(ours.file)
				known.delete(uid)
				continue
			}
			const added = ours.letters.filter(l => !pair.letters.includes(l))
			const removed = pair.letters.filter(l => !ours.letters.includes(l))
			if (added.length) await client.messageFlagsAdd(String(uid), flags(added), { uid: true })
			if (removed.length) await client.messageFlagsRemove(String(uid), flags(removed), { uid: true })
			const merged = [...new Set([...theirs, ...added])].filter(l => !removed.includes(l))
			fs.renameSync(ours.file, fileName(folder, pair.base, merged))
			known.set(uid, { base: pair.base, letters: merged })
		}
		const paired = new Set([...known.values()].map(p => p.base))
		for (const [base, m] of here) {
			if (paired.has(base) || !fs.existsSync(m.file)) continue
			const text = fs.readFileSync(m.file, 'latin1').replaceAll('\n', '\r\n')
			const { uid } = await client.append(mailbox, Buffer.from(text, 'latin1'), flags(m.letters))
			known.set(uid, { base, letters: m.letters })
		}
		const fresh = [...there.keys()].filter(uid => !known.has(uid))
		if (fresh.length) {
			for await (const m of client.fetch(fresh.join(','), { uid: true, flags: true, source: true }, { uid: true })) {
				const base = crypto.randomUUID()
				fs.writeFileSync(fileName(folder, base, letters(m.flags)), m.source.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
				known.set(m.uid, { base, letters: letters(m.flags) })
			}
		}
		fs.writeFileSync(stateFile, JSON.stringify([...known]))
	} finally {
		lock.release()
	}
}

async function main() {
	const client = new ImapFlow({
		host: 'localhost', port, secure: true, auth: { user, pass }, logger: false, qresync: true,
		tls: { ca: fs.readFileSync(process.env.SSL_CERT_FILE) },
	})
	await client.connect()
	const names = new Set((await client.list()).filter(m => !m.flags.has('\\Noselect') && !m.flags.has('\\NonExistent')).map(m => m.path))
	for (const entry of fs.existsSync(near) ? fs.readdirSync(near, { recursive: true, withFileTypes: true }) : []) {
		if (entry.name === 'cur') names.add(path.relative(near, entry.parentPath ?? entry.path))
	}
	for (const name of [...names].sort()) await sync(client, name, path.join(near, name))
	await client.logout()
}

main().catch(e => { console.error(e); process.exit(1) })
