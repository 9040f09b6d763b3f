// Package relay has whole mail servers, without the program around them, write to
// each other: what users submit goes into the queue, by MX records to other servers,
// and into mailboxes there, or comes back. Connections, DNS and time are those of a
// test, so that five days of attempts take no time.
//
// internet_test.go is the world, server_test.go one server in it, relay_test.go what
// happens.
package relay
