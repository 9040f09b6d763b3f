// Package acme runs the real posthorn against Let's Encrypt's own test server, pebble
// of Debian: certificates are issued and renewed by each of the three challenges, and
// a server whose authority goes wrong goes on with what it has.
package acme
