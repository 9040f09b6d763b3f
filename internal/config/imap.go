package config

import (
	"net/url"
	"strings"
)

// IMAPSettings is what operators decide about the protocol that mail is read with.
type IMAPSettings struct {
	Administrators []string // addresses of accounts
	MessageLimit   int      // messages that one command works on; 0: any number
	SaveLimit      int      // messages that one COPY or APPEND stores; 0: any number
	Referrals      []string // "address URL": whose mailboxes are on another server
}

// imapTable is the table about it.
func (c *Config) imapTable() table {
	return table{"imap", "", []field{
		{
			name: "administrators", value: accounts(&c.IMAP.Administrators), example: `["admin@example.test"]`,
			doc: "Accounts that see the quotas of all others and set them from their mail program (QUOTASET).",
		},
		{
			name: "message_limit", value: messages(&c.IMAP.MessageLimit),
			doc: "Most messages that one FETCH, STORE, SEARCH, MOVE, COPY or APPEND works on (MESSAGELIMIT, RFC 9738); 0: any number. Clients that do not know of it take the rest for gone: [[quirk]] names those that do without.",
		},
		{
			name: "save_limit", value: messages(&c.IMAP.SaveLimit),
			doc: "Most messages that one COPY or APPEND stores (SAVELIMIT); 0: any number. More are refused as a whole. message_limit counts for these, too.",
		},
		{
			name: "referrals", value: referrals(&c.IMAP.Referrals), example: `["alice@example.test imap://alice;AUTH=*@imap.example.org/"]`,
			doc: "Accounts whose mailboxes are on another server: address and IMAP URL. Who logs in as one of them, with the right password, is told to go there (LOGIN-REFERRALS).",
		},
	}}
}

// referrals is a list of addresses and URLs.
func referrals(p *[]string) value {
	return filled(list(p, `a list of referrals; want ["alice@example.test imap://alice;AUTH=*@imap.example.org/"]`, func(v any) (string, error) {
		s, _ := v.(string)
		address, to, _ := strings.Cut(s, " ")
		u, err := url.Parse(to)
		if isAddress(address) != nil || err != nil || u.Scheme != "imap" || u.Host == "" || strings.ContainsAny(to, " ]\"\\") {
			return "", wantError(v, `an address and an IMAP URL; want "alice@example.test imap://alice;AUTH=*@imap.example.org/"`)
		}
		return s, nil
	}, same))
}

// messages is a limit that is none, or 1000 at least (RFC 9738 §3).
func messages(p *int) value {
	v := count(p, 0, 1_000_000_000)
	read := v.read
	v.read = func(raw any, dir string) error {
		if n, ok := raw.(int64); ok && n > 0 && n < 1000 {
			return wantError(raw, "a limit that clients can work with; want 0 for none, or at least 1000")
		}
		return read(raw, dir)
	}
	return v
}

// accounts is a list of addresses.
func accounts(p *[]string) value {
	return filled(list(p, `a list of accounts; want ["admin@example.test"]`, func(v any) (string, error) {
		s, ok := v.(string)
		if !ok {
			return "", wantError(v, `an account; want "admin@example.test"`)
		}
		return s, isAddress(s)
	}, same))
}
