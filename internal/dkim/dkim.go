// Package dkim owns signatures of mail by domains (RFC 6376, RFC 8463).
//
// Signing: a Digest takes a message in while it passes on its way elsewhere, and
// signs it afterwards with the keys of whichever domain its header turns out to call
// for (sign.go). What is signed is what a message consists of for its reader; all is
// in the relaxed form (canonical.go), so that a relay that folds a line anew breaks
// nothing. Keys and the records that publish them are in key.go.
//
// Verifying: a Verifier begins with a message's header, asks for the keys while the
// body passes through it, and says at the end what it found of each signature
// (verify.go, signature.go, lookup.go). However many signatures there are, the body
// is hashed once in each form (digest.go); neither it nor any number of line ends in
// it costs memory.
//
// It never keeps a key, and decides neither who may sign for a domain nor what
// becomes of a message.
package dkim
