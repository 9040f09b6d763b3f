package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// timeUnits are the units of times, longer ones first.
func timeUnits() []struct {
	name string
	time time.Duration
} {
	return []struct {
		name string
		time time.Duration
	}{{"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}
}

// duration is a time with its unit.
func duration(p *time.Duration, least, most time.Duration) value {
	return value{
		read: func(v any, _ string) error {
			d, err := parseTime(v, least, most)
			if err == nil {
				*p = d
			}
			return err
		},
		show: func() string { return strconv.Quote(formatTime(*p)) },
	}
}

// pauses is a list of times.
func pauses(p *[]time.Duration) value {
	return filled(list(p, `a list of times; want ["2m", "30m"]`,
		func(v any) (time.Duration, error) { return parseTime(v, time.Second, 7*day) }, formatTime))
}

func parseTime(v any, least, most time.Duration) (time.Duration, error) {
	s, _ := v.(string)
	for _, unit := range timeUnits() {
		digits, ok := strings.CutSuffix(s, unit.name)
		n, err := strconv.ParseUint(digits, 10, 64)
		if !ok || err != nil || n > math.MaxInt64/uint64(unit.time) {
			continue
		}
		d := time.Duration(n) * unit.time
		if d < least || d > most {
			return 0, fmt.Errorf("%q is out of range; want %s to %s", s, formatTime(least), formatTime(most))
		}
		return d, nil
	}
	return 0, wantError(v, `a time; want a number with a unit: "30s", "5m", "4h" or "5d"`)
}

// formatTime writes a time in the longest unit that leaves it a whole number.
func formatTime(d time.Duration) string {
	for _, unit := range timeUnits() {
		if d >= unit.time && d%unit.time == 0 {
			return fmt.Sprintf("%d%s", d/unit.time, unit.name)
		}
	}
	return "0s"
}

// list is a list of values that are texts in the file; want says what is wanted if
// it is no list.
func list[T any](p *[]T, want string, parse func(any) (T, error), format func(T) string) value {
	return value{
		read: func(v any, _ string) error {
			items, ok := v.([]any)
			if !ok {
				return wantError(v, want)
			}
			all := make([]T, 0, len(items))
			for _, item := range items {
				one, err := parse(item)
				if err != nil {
					return err
				}
				all = append(all, one)
			}
			*p = all
			return nil
		},
		show: func() string {
			words := make([]string, len(*p))
			for i, one := range *p {
				words[i] = strconv.Quote(format(one))
			}
			if len(words) == 0 {
				return ""
			}
			return "[" + strings.Join(words, ", ") + "]"
		},
	}
}

// filled is a list that must not be empty.
func filled(v value) value {
	read := v.read
	v.read = func(raw any, dir string) error {
		if items, ok := raw.([]any); ok && len(items) == 0 {
			return errors.New("is empty; want at least one")
		}
		return read(raw, dir)
	}
	return v
}

func same(s string) string { return s }

// domains is a list of patterns for domains.
func domains(p *[]string) value {
	return filled(list(p, `a list of domains; want ["example.org"]`, func(v any) (string, error) {
		s, _ := v.(string)
		name := strings.TrimPrefix(s, ".")
		if s != "*" && !isName(name) {
			return "", wantError(v, `a domain; want "example.org", ".example.org" or "*"`)
		}
		return strings.ToLower(s), nil
	}, same))
}

// hosts is a list of servers.
func hosts(p *[]string) value {
	return list(p, `a list of hosts; want ["smtp.isp.example:587"]`, func(v any) (string, error) {
		s, _ := v.(string)
		if !isHost(s) {
			return "", wantError(v, `a host; want "smtp.isp.example", "smtp.isp.example:587", "192.0.2.1:25", "[2001:db8::1]:25" or "unix:/path"`)
		}
		return s, nil
	}, same)
}

// isHost says that a text names a server, with or without a port.
func isHost(s string) bool {
	if socket, ok := strings.CutPrefix(s, "unix:"); ok {
		return strings.HasPrefix(socket, "/")
	}
	if host, port, err := net.SplitHostPort(s); err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return false
		}
		_, err := netip.ParseAddr(host)
		return err == nil || isName(host)
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	return err == nil && (ip.Is4() || s[0] == '[') || isName(s)
}

// servers is a list of name servers; port 53 may be left out.
func servers(p *[]netip.AddrPort) value {
	return list(p, `a list of name servers; want ["127.0.0.1:53"]`, func(v any) (netip.AddrPort, error) {
		s, _ := v.(string)
		if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil {
			return netip.AddrPortFrom(ip, 53), nil
		}
		server, err := netip.ParseAddrPort(s)
		if err != nil || server.Port() == 0 {
			return server, wantError(v, `a name server; want "127.0.0.1:53" or "[2001:db8::1]:53"`)
		}
		return server, nil
	}, netip.AddrPort.String)
}

// addresses is a list of our own addresses, one of each family at most.
func addresses(p *[]netip.Addr) value {
	var seen []netip.Addr
	return list(p, `a list of addresses; want ["192.0.2.1", "2001:db8::1"]`, func(v any) (netip.Addr, error) {
		s, _ := v.(string)
		ip, err := netip.ParseAddr(s)
		if err != nil || ip.Zone() != "" {
			return ip, wantError(v, `an address; want "192.0.2.1" or "2001:db8::1"`)
		}
		if slices.ContainsFunc(seen, func(other netip.Addr) bool { return other.Is4() == ip.Is4() }) {
			return ip, fmt.Errorf("%q is a second address of its family; want one of each at most", s)
		}
		seen = append(seen, ip)
		return ip, nil
	}, netip.Addr.String)
}
