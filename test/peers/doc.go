// Package peers lets the mail programs that people use talk to the real server:
// swaks, curl, Python's smtplib, imaplib and poplib, mbsync, fetchmail and mutt send
// real messages and read them back, which must be the same to the byte.
//
// A program that is missing fails its test and says what to install; `make test`
// installs all of them.
//
//	peers_test.go    who sends, who reads, and the comparison
//	messages_test.go what is sent
//	senders_test.go  one function a program that sends
//	readers_test.go  one function a program that reads
//	two_way_test.go  programs that do both: mbsync up and down, mutt's own compositions
package peers
