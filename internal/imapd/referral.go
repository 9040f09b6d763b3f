package imapd

import "strings"

// referrals reads who has to go where (RFC 2221).
func referrals(list []string) map[string]string {
	to := make(map[string]string, len(list))
	for _, one := range list {
		address, url, _ := strings.Cut(one, " ")
		to[strings.ToLower(address)] = url
	}
	return to
}

// referral is the URL of the server that has a user's mailboxes; empty: this one. Only who
// has proven to be that user hears of it, so nobody learns here who exists.
func (s *session) referral(user string) string { return s.srv.referrals[strings.ToLower(user)] }

// refers reports whether there is anybody who has to go elsewhere: only then that is
// offered.
func (s *session) refers() bool { return len(s.srv.referrals) > 0 }
