package dns

import (
	"bufio"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"posthorn/internal/fault"
)

// SystemFile is where a system says which servers to ask.
const SystemFile = "/etc/resolv.conf"

// System reads the options of a system, resolv.conf(5): its servers, timeouts, and
// whether they are trusted to validate (`options trust-ad`). Kinds of error:
// Unavailable if the file cannot be read.
func System(file string) (Options, error) {
	f, err := os.Open(file)
	if err != nil {
		return Options{}, fault.New(fault.Unavailable, "dns: %w", err)
	}
	defer f.Close()
	o, err := parseSystem(f)
	if err != nil {
		return Options{}, fault.New(fault.Unavailable, "dns: %s: %w", file, err)
	}
	return o, nil
}

// parseSystem skips what it does not understand, as every reader of the file does.
func parseSystem(r io.Reader) (Options, error) {
	var o Options
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "nameserver":
			if ip, err := netip.ParseAddr(words[1]); err == nil {
				o.Servers = append(o.Servers, netip.AddrPortFrom(ip, port))
			}
		case "options":
			for _, word := range words[1:] {
				o.systemOption(word)
			}
		}
	}
	return o, lines.Err()
}

func (o *Options) systemOption(word string) {
	name, value, _ := strings.Cut(word, ":")
	n, err := strconv.Atoi(value)
	counts := err == nil && n > 0
	switch {
	case word == "trust-ad":
		o.TrustAD = true
	case name == "timeout" && counts:
		o.Timeout = time.Duration(min(n, 30)) * time.Second
	case name == "attempts" && counts:
		o.Attempts = min(n, 5)
	}
}
