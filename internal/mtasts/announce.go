package mtasts

import (
	"context"
	"strings"

	"posthorn/internal/fault"
)

// announced asks DNS for the id of a domain's policy. It is empty if there is none,
// or if DNS cannot tell: what we have counts then. The error is of kind Canceled.
func (c *Cache) announced(ctx context.Context, domain string) (id string, err error) {
	answer, err := c.o.Resolver.TXT(ctx, "_mta-sts."+domain)
	switch {
	case fault.Is(err, fault.Canceled):
		return "", err
	case err != nil:
		return "", nil
	}
	return announcement(answer.Texts), nil
}

// announcement finds the id in the texts of a name. RFC 8461 §3.1: if there is more
// than one announcement, or a broken one, there is none.
func announcement(texts []string) (id string) {
	const version = "v=STSv1"
	found := 0
	for _, text := range texts {
		rest, ok := strings.CutPrefix(text, version)
		if rest = strings.TrimLeft(rest, " \t"); !ok || rest != "" && rest[0] != ';' {
			continue
		}
		found++
		id = ""
		for field := range strings.SplitSeq(rest, ";") {
			key, value, _ := strings.Cut(strings.TrimSpace(field), "=")
			if strings.TrimSpace(key) == "id" && id == "" {
				id = strings.TrimSpace(value)
			}
		}
	}
	if found != 1 || !isID(id) {
		return ""
	}
	return id
}

// isID says that a text can be an id: 1 to 32 letters and digits.
func isID(s string) bool {
	return s != "" && len(s) <= 32 && !strings.ContainsFunc(s, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9')
	})
}
