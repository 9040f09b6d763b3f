package config

import (
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// field is one key.
type field struct {
	name     string
	doc      string
	required bool // must be in the file
	explicit bool // is written even if it has its default
	value    value
	example  string // shown in the reference where the default is nothing
}

// value is a place in a Config together with the way it is written in TOML.
type value struct {
	// read takes over what stands in the file; dir is the file's directory. Its
	// error says what is wrong with the value and what is wanted.
	read func(v any, dir string) error
	// show is the present value in TOML, "" if it is nothing.
	show func() string
}

// wantError is for a value of another type than wanted.
func wantError(v any, want string) error {
	return fmt.Errorf("%s is not %s", showAny(v), want)
}

// showAny quotes a value from the file in a message.
func showAny(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case map[string]any:
		return "a table"
	case []any:
		return "a list"
	}
	return fmt.Sprint(v)
}

// text is any string; check, if there is one, says what is wrong with it.
func text(p *string, check ...func(string) error) value {
	return value{
		read: func(v any, _ string) error {
			s, ok := v.(string)
			if !ok {
				return wantError(v, "text in quotes")
			}
			for _, c := range check {
				if err := c(s); err != nil {
					return err
				}
			}
			*p = s
			return nil
		},
		show: func() string { return showText(*p) },
	}
}

func showText(s string) string {
	if s == "" {
		return ""
	}
	return strconv.Quote(s)
}

// path is a file's name, relative to the configuration file.
func path(p *string) value {
	v := text(p, func(s string) error {
		if s == "" {
			return fmt.Errorf(`"" is not a path`)
		}
		return nil
	})
	readText := v.read
	v.read = func(raw any, dir string) error {
		if err := readText(raw, dir); err != nil {
			return err
		}
		if !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
		return nil
	}
	return v
}

// choice is one of a closed set of what noun names. What is only announced gets its
// own message.
func choice[T ~string](noun string, p *T, allowed, announced []T) value {
	return value{
		read: func(v any, _ string) error {
			s, ok := v.(string)
			switch {
			case ok && slices.Contains(allowed, T(s)):
				*p = T(s)
				return nil
			case ok && slices.Contains(announced, T(s)):
				return fmt.Errorf("%q is not built yet; %s", s, oneOf(allowed))
			}
			return wantError(v, noun+"; "+oneOf(allowed))
		},
		show: func() string { return showText(string(*p)) },
	}
}

func oneOf[T ~string](allowed []T) string {
	words := make([]string, len(allowed))
	for i, a := range allowed {
		words[i] = string(a)
	}
	if len(words) == 1 {
		return "want " + words[0]
	}
	return "want one of " + strings.Join(words, " ")
}

// level is the name of a log level.
func level(p *slog.Level) value {
	name := strings.ToLower(p.String())
	v := choice("a log level", &name, []string{"debug", "info", "warn", "error"}, nil)
	readName := v.read
	v.read = func(raw any, dir string) error {
		if err := readName(raw, dir); err != nil {
			return err
		}
		return p.UnmarshalText([]byte(name))
	}
	return v
}

func boolean(p *bool) value {
	return value{
		read: func(v any, _ string) error {
			b, ok := v.(bool)
			if !ok {
				return wantError(v, "true or false")
			}
			*p = b
			return nil
		},
		show: func() string { return strconv.FormatBool(*p) },
	}
}

// maybe is a value of some kind that may be left out; then *p stays nil.
func maybe[T any](p **T, kind func(*T) value) value {
	return value{
		read: func(v any, dir string) error {
			var one T
			err := kind(&one).read(v, dir)
			if err == nil {
				*p = &one
			}
			return err
		},
		show: func() string {
			if *p == nil {
				return ""
			}
			return kind(*p).show()
		},
	}
}

// orNever is a number from 1 on, or "never", which is 0.
func orNever(p *int, most int64) value {
	number := count(p, 1, most)
	return value{
		read: func(v any, dir string) error {
			if v == "never" {
				*p = 0
				return nil
			}
			if number.read(v, dir) != nil {
				return wantError(v, fmt.Sprintf(`a number from 1 to %d, nor "never"`, most))
			}
			return nil
		},
		show: func() string {
			if *p == 0 {
				return `"never"`
			}
			return number.show()
		},
	}
}

func count(p *int, least, most int64) value {
	return value{
		read: func(v any, _ string) error {
			n, ok := v.(int64)
			if !ok || n < least || n > most {
				return wantError(v, fmt.Sprintf("a number from %d to %d", least, most))
			}
			*p = int(n)
			return nil
		},
		show: func() string { return strconv.Itoa(*p) },
	}
}

// sizeUnits are the units of sizes, larger ones first.
func sizeUnits() []struct {
	name  string
	bytes int64
} {
	return []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3}, {"B", 1}}
}

// size is a number of bytes, bare or with a unit.
func size(p *int64, least, most int64) value {
	return value{
		read: func(v any, _ string) error {
			n, ok := parseSize(v)
			if !ok {
				return wantError(v, `a size; want bytes (50000000) or a unit ("50 MB", "48 MiB")`)
			}
			if n < least || n > most {
				return fmt.Errorf("%s is out of range; want %s to %s", showAny(v), formatSize(least), formatSize(most))
			}
			*p = n
			return nil
		},
		show: func() string { return strconv.Quote(formatSize(*p)) },
	}
}

// ParseSize reads a size as people write it: "2 GB", "512MiB".
func ParseSize(text string) (bytes int64, ok bool) { return parseSize(text) }

func parseSize(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case string:
		for _, unit := range sizeUnits() {
			digits, ok := cutSuffixFold(v, unit.name)
			if !ok {
				continue
			}
			n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
			if err != nil || !(n >= 0 && n*float64(unit.bytes) < math.MaxInt64) {
				return 0, false
			}
			return int64(n * float64(unit.bytes)), true
		}
	}
	return 0, false
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if i := len(s) - len(suffix); i >= 0 && strings.EqualFold(s[i:], suffix) {
		return s[:i], true
	}
	return s, false
}

// formatSize writes a size in the largest unit that leaves it a whole number.
func formatSize(n int64) string {
	for _, unit := range sizeUnits() {
		if n >= unit.bytes && n%unit.bytes == 0 {
			return fmt.Sprintf("%d %s", n/unit.bytes, unit.name)
		}
	}
	return "0 B"
}

// prefixes is a list of networks; a bare address is a network of one.
func prefixes(p *[]netip.Prefix) value {
	return list(p, `a list of networks; want ["10.0.0.0/8", "2001:db8::1"]`, parsePrefix, netip.Prefix.String)
}

func parsePrefix(v any) (netip.Prefix, error) {
	s, _ := v.(string)
	if n, err := netip.ParsePrefix(s); err == nil {
		return n.Masked(), nil
	}
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	return netip.Prefix{}, wantError(v, "a network; want 10.0.0.0/8 or 2001:db8::1")
}

// address is host:port.
func address(p *string) value {
	return text(p, func(s string) error {
		_, port, err := net.SplitHostPort(s)
		if err != nil {
			return wantError(s, `an address; want host:port like "0.0.0.0:25" or "[::1]:2525"`)
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
			return fmt.Errorf("%q has no port from 0 to 65535", s)
		}
		return nil
	})
}

// hostname is the full name of a machine.
func hostname(p *string) value {
	return word(p, `a host name; want a full name like "mail.example.test"`)
}

// word is letters and digits, with dots and hyphens among them.
func word(p *string, want string) value {
	return text(p, func(s string) error {
		if !isName(s) {
			return wantError(s, want)
		}
		return nil
	})
}

// isAddress says what is wrong with a mail address in ASCII, without quotes.
func isAddress(s string) error {
	local, domain, _ := strings.Cut(s, "@")
	odd := strings.ContainsFunc(local, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),:;<>@[\]`, c)
	})
	if local == "" || odd || local[0] == '.' || strings.HasSuffix(local, ".") || strings.Contains(local, "..") || !isName(domain) {
		return wantError(s, `a mail address; want "postmaster@example.test"`)
	}
	return nil
}

// isName says that a text is a domain name in ASCII.
func isName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && !('a' <= r && r <= 'z') && !('A' <= r && r <= 'Z') && !('0' <= r && r <= '9')
	})
}

// isSyslog says what is wrong with where syslog is to be.
func isSyslog(s string) error {
	network, address, _ := strings.Cut(s, ":")
	_, _, badPort := net.SplitHostPort(address)
	if network == "unix" && filepath.IsAbs(address) || (network == "udp" || network == "tcp") && badPort == nil {
		return nil
	}
	return wantError(s, "a syslog server; want unix:/dev/log, udp:HOST:PORT or tcp:HOST:PORT")
}
