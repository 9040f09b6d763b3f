// Package dnszone owns what a domain must have in DNS so that its mail arrives, here
// and elsewhere.
//
// It never publishes anything, and keeps nothing.
package dnszone
