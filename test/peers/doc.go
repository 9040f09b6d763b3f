// Package peers lets the mail programs that people use talk to the real server:
// swaks, curl, Python's smtplib, imaplib and poplib, mbsync, fetchmail and mutt send
// real messages and read them back, which must be the same to the byte. mbsync,
// offlineimap, mutt, and programs with Python's imaplib and Node's imapflow synchronise
// 500 messages while both sides change theirs.
//
// A program that is missing fails its test and says what to install; `make test`
// installs all of them.
//
//	peers_test.go    who sends, who reads, and the comparison
//	messages_test.go what is sent
//	senders_test.go  one function a program that sends
//	readers_test.go  one function a program that reads
//	two_way_test.go  programs that do both: mbsync up and down, mutt's own compositions
//	sync_test.go     500 messages synchronised, and what becomes of them meanwhile
//	mutt_test.go     the same with mutt, which synchronises nothing by itself
//	sides_test.go    the two sides: the server, and Maildirs
//	testdata         programs that synchronise with a library; somebody at the far side
package peers
