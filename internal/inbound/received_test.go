package inbound

import (
	"crypto/tls"
	"net/netip"
	"testing"
	"time"

	"posthorn/internal/addr"
)

func TestTrace(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 5, 7, 0, time.FixedZone("", 8*3600))
	bob := addr.Address{Local: "bob", Domain: "example.test"}
	for _, tc := range []struct {
		name  string
		trace trace
		want  string
	}{
		{
			"everything",
			trace{
				from: addr.Address{Local: "a b", Domain: "remote.test"}, hello: "mx.remote.test", remote: netip.MustParseAddr("192.0.2.1"),
				hostname: "mail.example.test", protocol: "ESMTPS", id: "0123456789abcdef", rcpt: bob,
				tls: &tls.ConnectionState{CipherSuite: tls.TLS_AES_128_GCM_SHA256}, priority: "-3", at: at,
			},
			"Return-Path: <\"a b\"@remote.test>\r\n" +
				"Received: from mx.remote.test ([192.0.2.1])\r\n" +
				"\tby mail.example.test with ESMTPS id 0123456789abcdef\r\n" +
				"\tfor <bob@example.test>\r\n" +
				"\ttls TLS_AES_128_GCM_SHA256\r\n" +
				"\tpriority -3;\r\n" +
				"\tSun, 01 Mar 2026 09:05:07 +0800\r\n",
		},
		{
			"null sender, several recipients, IPv6, a name that is none",
			trace{
				hello: "evil) by (x;\t<\xff", remote: netip.MustParseAddr("2001:db8::1"),
				hostname: "mail.example.test", protocol: "SMTP", id: "x", at: at,
			},
			"Return-Path: <>\r\n" +
				"Received: from evil??by??x???? ([IPv6:2001:db8::1])\r\n" +
				"\tby mail.example.test with SMTP id x;\r\n" +
				"\tSun, 01 Mar 2026 09:05:07 +0800\r\n",
		},
		{
			"a transport without addresses",
			trace{hello: "[127.0.0.1]", hostname: "h.test", protocol: "LMTP", id: "x", at: at},
			"Return-Path: <>\r\nReceived: from [127.0.0.1]\r\n\tby h.test with LMTP id x;\r\n\tSun, 01 Mar 2026 09:05:07 +0800\r\n",
		},
	} {
		if got := string(tc.trace.append(nil)); got != tc.want {
			t.Errorf("%s:\n%swant\n%s", tc.name, got, tc.want)
		}
	}
}

func TestProtocol(t *testing.T) {
	for _, tc := range []struct {
		role                     Role
		extended, tls, ath, utf8 bool
		want                     string
	}{
		{MX, false, false, false, false, "SMTP"},
		{MX, true, false, false, false, "ESMTP"},
		{MX, true, true, false, false, "ESMTPS"},
		{MX, true, false, false, true, "UTF8SMTP"},
		{MX, true, true, false, true, "UTF8SMTPS"},
		{Submission, true, false, true, false, "ESMTPA"},
		{Submission, true, true, true, false, "ESMTPSA"},
		{Submission, true, false, true, true, "UTF8SMTPA"},
		{Submission, true, true, true, true, "UTF8SMTPSA"},
		{LMTP, true, false, false, false, "LMTP"},
		{LMTP, true, true, false, false, "LMTPS"},
		{LMTP, true, false, false, true, "UTF8LMTP"},
		{LMTP, true, true, false, true, "UTF8LMTPS"},
	} {
		s := &Session{peer: Peer{Role: tc.role}, extended: tc.extended}
		if tc.tls {
			s.tls = &tls.ConnectionState{}
		}
		if tc.ath {
			s.user = "alice@example.test"
		}
		if got := protocol(s, tc.utf8); got != tc.want {
			t.Errorf("protocol(%+v) = %s", tc, got)
		}
	}
}
