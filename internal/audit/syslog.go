package audit

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"posthorn/internal/fault"
)

// patience is how long syslog may take for a connection, and for what is written.
const patience = 5 * time.Second

// priority is that of all lines: of the facility for what concerns security, 10,
// for information, 6 (RFC 5424 §6.2.1).
const priority = 10*8 + 6

// syslog is the output to a syslog server (RFC 5424): a datagram for each line, or a
// stream of them, each with its length in front (RFC 6587 §3.4.1).
type syslog struct {
	to       string // udp:HOST:PORT, tcp:HOST:PORT or unix:PATH
	hostname string
	conn     net.Conn
	stream   bool
}

// target reads where syslog is to be.
func target(to string) (network, address string, err error) {
	network, address, _ = strings.Cut(to, ":")
	_, _, badPort := net.SplitHostPort(address)
	switch {
	case network == "unix" && address != "":
		return "unixgram", address, nil
	case (network == "udp" || network == "tcp") && badPort == nil:
		return network, address, nil
	}
	return "", "", fault.New(fault.Invalid, "%q is not where syslog can be; want udp:HOST:PORT, tcp:HOST:PORT or unix:/dev/log", to)
}

func (s *syslog) write(lines []line) (taken int, err error) {
	if err := s.connect(); err != nil {
		return 0, err
	}
	s.conn.SetWriteDeadline(time.Now().Add(patience))
	for i, l := range lines {
		if _, err := s.conn.Write(s.frame(l)); err != nil {
			s.close()
			return i, fault.New(fault.Unavailable, "audit: syslog: %w", err)
		}
	}
	return len(lines), nil
}

func (s *syslog) connect() error {
	if s.conn != nil {
		return nil
	}
	network, address, err := target(s.to)
	if err != nil {
		return err
	}
	conn, err := net.DialTimeout(network, address, patience)
	if _, isStream := err.(*net.OpError); isStream && network == "unixgram" {
		network = "unix" // some servers listen so
		conn, err = net.DialTimeout(network, address, patience)
	}
	if err != nil {
		return fault.New(fault.Unavailable, "audit: syslog: %w", err)
	}
	s.conn, s.stream = conn, network == "tcp" || network == "unix"
	return nil
}

// frame is a line as syslog has it.
func (s *syslog) frame(l line) []byte {
	text := fmt.Appendf(nil, "<%d>1 %s %s posthorn %d audit - ", priority, l.at.UTC().Format("2006-01-02T15:04:05.000000Z"), s.hostname, os.Getpid())
	text = append(text, l.text...)
	if s.stream {
		return append(strconv.AppendInt(nil, int64(len(text)), 10), append([]byte{' '}, text...)...)
	}
	return text
}

func (s *syslog) close() error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}
