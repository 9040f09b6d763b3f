package inbound

import "testing"

func TestHops(t *testing.T) {
	for _, tc := range []struct {
		header    string
		all, ours int
	}{
		{"", 0, 0},
		{"Subject: Received: by mail.example.test\r\n", 0, 0},
		{"Received: from a ([192.0.2.1])\r\n\tby mail.example.test with ESMTP id 1;\r\n\tThu, 1 Jan 2026 00:00:00 +0000\r\n", 1, 1},
		{"RECEIVED: BY MAIL.example.TEST; Thu, 1 Jan 2026 00:00:00 +0000\r\nReceived: by other.test id mail.example.test\r\n", 2, 1},
		{"Received: from x (claims to be by mail.example.test) by other.test\r\n", 1, 0},
		{"Received: from x (a (b) c) by mail.example.test\r\nReceived: somehow\r\nReceived: by\r\n", 3, 1},
		{"Return-Path: <>\r\nReceived: a\r\n b\r\nreceived: c\r\nX-Received: d\r\nRECEIVED:f\r\n\r\n", 3, 0},
		{"Received: by mail.example.test.evil.test\r\n", 1, 0},
	} {
		if all, ours := hops([]byte(tc.header), "mail.example.test"); all != tc.all || ours != tc.ours {
			t.Errorf("%q: %d hops, %d ours; want %d, %d", tc.header, all, ours, tc.all, tc.ours)
		}
	}
}
