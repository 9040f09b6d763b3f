package smtpd

import (
	"bytes"
	"io"
	"testing"

	"posthorn/internal/inbound"
)

// FuzzServer says anything at all to a server. It must end, without a panic, with
// replies only, not many more than it was given lines, and with a positive reply
// to a message for no more messages than the input has ends of messages.
func FuzzServer(f *testing.F) {
	envelope := "MAIL FROM:<a@remote.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n"
	for _, seed := range []string{
		"EHLO x\r\n" + envelope + "Subject: x\r\n\r\n..\r\n.\r\nQUIT\r\n",
		"LHLO x\r\n" + envelope + ".\r\n" + envelope + "a\n.\n\r.\r\r\n.\r\n",
		"EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABzZWNyZXQ=\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n\n.\r\n",
		"EHLO x\r\nMAIL FROM:<a@remote.test> BODY=BINARYMIME\r\nRCPT TO:<bob@example.test>\r\nBDAT 3\r\na\nbBDAT 2 LAST\r\n\r\nBDAT\r\n",
		"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nBDAT 9999 LAST\r\na\r\n",
		"EHLO x\r\nXCLIENT ADDR=IPV6:::1 HELO=a+2Eb LOGIN=alice@example.test\r\nXFORWARD ADDR=192.0.2.9\r\n" + envelope + ".\r\n",
		"EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABzZWNyZXQ=\r\nMAIL FROM:<alice@example.test> SMTPUTF8 HOLDFOR=9 BY=99;NT MT-PRIORITY=-3\r\n" +
			"RCPT TO:<\u00f8@elsewhere.test> NOTIFY=NEVER ORCPT=utf-8;\u00f8\r\nDATA\r\n.\r\n",
		"EHLO x\r\nAUTH LOGIN\r\n=\r\n*\r\nSTARTTLS\r\nQUIT\r\n",
		"HELO x\nNOOP\x00\r\n\r\n\xff\r\nVRFY\r\nEXPN\r\nRSET x\r\nHELP\r\nGET / HTTP/1.0\r\n",
	} {
		for door := range byte(7) {
			f.Add(door, []byte(seed))
		}
	}
	h := newHouse(f, inbound.Policy{MaxSize: 4096, MaxRecipients: 10, MaxReceived: 10})
	doors := []string{"mx", "submission", "plain", "lmtp", "proxied", "filtered", "relay"}
	f.Fuzz(func(t *testing.T, door byte, input []byte) {
		server := h.servers[doors[int(door)%len(doors)]]
		nc := server.Dial()
		defer nc.Close()
		go func() {
			_, _ = nc.Write(input) // it may be cut off
			_ = nc.(interface{ CloseWrite() error }).CloseWrite()
		}()
		output, err := io.ReadAll(nc)
		if err != nil {
			t.Fatal(err)
		}
		if n := server.Stats().Panics; n != 0 {
			t.Fatalf("%d panics", n)
		}
		checkReplies(t, input, output)
	})
}

func checkReplies(t *testing.T, input, output []byte) {
	replies, accepted := 0, 0
	for line := range bytes.Lines(output) {
		if line[0] == 0x15 || line[0] == 0x16 {
			break // TLS says what it thinks of the input
		}
		text, ok := bytes.CutSuffix(line, []byte("\r\n"))
		if !ok || len(line) > 512 || len(text) < 4 || text[0] < '2' || text[0] > '5' || bytes.ContainsAny(text, "\r\x00") {
			t.Fatalf("not a reply: %q", line)
		}
		if text[3] == ' ' {
			replies++
		}
		if bytes.Contains(text, []byte("Accepted as")) {
			accepted++
		}
	}
	lines := bytes.Count(input, []byte("\n"))
	ends := bytes.Count(input, []byte("\r\n.\r\n")) + bytes.Count(bytes.ToUpper(input), []byte("LAST\r\n"))
	if replies > 10*lines+3 || accepted > ends {
		t.Fatalf("%d replies, %d messages accepted, to %d lines with %d ends", replies, accepted, lines, ends)
	}
}
