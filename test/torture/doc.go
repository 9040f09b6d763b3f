// Package torture kills the server under load and counts.
//
// One round: every protocol is driven at once by clients that write down what the
// server acknowledged; at a random moment the server is ended by SIGKILL; `posthorn
// verify` is asked, the server is started again, and everything that is in it is compared with what
// was written down. Nothing acknowledged may be missing, nothing doubled, no UID or
// UIDL may name another message than before, and what a client has merely seen must be
// there too: it was shown, so it was durable. What was under way at the moment of the kill
// may have happened or not, but never by halves. What is for elsewhere arrives there, and
// not again once that is on record.
//
//	torture_test.go  the rounds
//	ledger_test.go   what has been acknowledged and seen
//	sender_test.go   SMTP and LMTP: deliveries to several accounts at once
//	relay_test.go    messages for elsewhere, and the server there, which counts
//	editor_test.go   IMAP: APPEND, STORE, COPY, MOVE, EXPUNGE in two mailboxes of its own
//	watcher_test.go  IMAP: looks at an INBOX while mail arrives
//	popper_test.go   POP3: reads and deletes
//	count_test.go    what is there afterwards
//	client_test.go   lines over a connection; the least of an IMAP client
//
// go test ./test/torture -args -rounds 10
package torture
