package config

import "strings"

// Quirk withholds extensions of IMAP from those who trip over them, or offers those that
// are not for everybody.
type Quirk struct {
	Client  string   // part of the name and version that a client says in ID; "": any
	Account string   // address; "": any
	Without []string // names of capabilities
	With    []string
}

// quirks are the tables about clients and accounts that IMAP is plainer for.
func (c *Config) quirks() array {
	list := array{
		name: "quirk", after: "limits", normal: new(Quirk).fields(),
		doc: "IMAP extensions that some do without, or have besides: one table for each client that trips over something. Without client and account it is for everybody. doc/clients.md knows some.",
		add: func() []field {
			c.Quirks = append(c.Quirks, Quirk{})
			return c.Quirks[len(c.Quirks)-1].fields()
		},
	}
	for i := range c.Quirks {
		list.tables = append(list.tables, c.Quirks[i].fields())
	}
	return list
}

// fields are the keys of a [[quirk]].
func (q *Quirk) fields() []field {
	return []field{
		{
			name: "client", value: text(&q.Client), example: `"outlook/16"`,
			doc: "Part of what a client says of itself, as \"name/version\", in any case; the log has it in its line \"client\". With account, both must fit.",
		},
		{
			name: "account", value: text(&q.Account, isAddress), example: `"alice@example.test"`,
			doc: "The address of an account.",
		},
		{
			name: "without", value: capabilities(&q.Without), example: `["COMPRESS=DEFLATE"]`,
			doc: "Names as the server tells them in CAPABILITY. They are told no more, and their commands are unknown.",
		},
		{
			name: "with", value: capabilities(&q.With), example: `["UIDONLY"]`,
			doc: "Those that are offered to nobody else: UIDONLY, with which Outlook shows no mail.",
		},
	}
}

// capabilities is a list of names of IMAP extensions.
func capabilities(p *[]string) value {
	return filled(list(p, `a list of IMAP capabilities; want ["COMPRESS=DEFLATE", "NOTIFY"]`, func(v any) (string, error) {
		s, _ := v.(string)
		name := strings.ToUpper(s)
		if s == "" || strings.ContainsAny(s, " \t()\"\\") {
			return "", wantError(v, `an IMAP capability; want "COMPRESS=DEFLATE"`)
		}
		if strings.HasPrefix(name, "IMAP4") || name == "STARTTLS" || name == "LOGINDISABLED" {
			return "", wantError(v, "an extension that can be withheld")
		}
		return s, nil
	}, same))
}
