package config

import (
	"path/filepath"
	"strings"
	"time"
)

// policyTables are the tables about who may do what, and how much of it.
func (c *Config) policyTables() []table {
	return []table{
		{"relay", "", []field{
			{
				name: "networks", value: prefixes(&c.Relay.Networks), example: `["10.0.0.0/8"]`,
				doc: "Networks whose machines may send to other domains through the smtp listeners, without a password. Whoever connects from there can write to the whole world in your name.",
			},
		}},
		{"lists", "Whose mail is always or never wanted: IP addresses, networks, HELO names, senders and recipients, one a line. A file that changes is read again by itself.", []field{
			{
				name: "allow", value: paths(&c.Lists.Allow), example: `["lists/allow"]`,
				doc: "Files, or folders of files. Who is on one of these is refused for no list and no suspicion; relaying, sizes and rates stay as they are.",
			},
			{
				name: "deny", value: paths(&c.Lists.Deny), example: `["lists/deny"]`,
				doc: "Files, or folders of files. Who is on one of these is refused, with the reason behind the entry, if there is one.",
			},
		}},
		{"limits", "", []field{
			{
				name: "exempt", value: prefixes(&c.Limits.Exempt), example: `["127.0.0.0/8"]`,
				doc: "Networks that rate, connection and ban limits never apply to (monitors, benchmarks).",
			},
			{
				name: "max_message_size", value: size(&c.Limits.MaxMessageSize, 64_000, 2_000_000_000),
				doc: `Largest message accepted. Bytes, or with a unit: "50 MB", "64 MiB".`,
			},
			{
				name: "max_recipients", value: count(&c.Limits.MaxRecipients, 100, 100_000),
				doc: "Most recipients of one message.",
			},
			{
				name: "max_connections", value: count(&c.Limits.MaxConns, 1, 10_000_000),
				doc: "Most connections at a time, on each listener.",
			},
			{
				name: "max_connections_per_ip", value: count(&c.Limits.MaxConnsPerIP, 1, 10_000_000),
				doc: "Most connections at a time from one address, on each listener.",
			},
			{
				name: "max_sessions_per_user", value: count(&c.Limits.MaxSessionsPerUser, 1, 10_000_000),
				doc: "Most sessions at a time of one account, by IMAP and by submission each.",
			},
			{
				name: "greet_delay", value: duration(&c.Limits.GreetDelay, 0, 30*time.Second),
				doc: `How long strangers on smtp wait to be greeted. Who speaks before that is no mail server and is refused; "0s": nobody waits.`,
			},
			{
				name: "tarpit", value: duration(&c.Limits.Tarpit, 0, time.Minute),
				doc: `Longest pause before the reply to a client that keeps making errors (guesses at addresses, unknown commands); "0s": none.`,
			},
			{
				name: "ban_after", value: count(&c.Limits.BanAfter, 0, 1_000_000),
				doc: "After so many wrong passwords within an hour a network is refused for a while, on all listeners; 0: none is.",
			},
			{
				name: "ban_time", value: duration(&c.Limits.BanTime, time.Minute, 7*day),
				doc: "For how long, the first time; each time it is four times longer, up to a week.",
			},
			rate("connections_per_minute_per_ip", &c.Limits.ConnsPerMinute, "Most new connections from one address (of IPv6, one /64) to smtp and submission listeners"),
			rate("messages_per_minute_per_ip", &c.Limits.MessagesPerMinute, "Most messages from one address to smtp listeners"),
			rate("recipients_per_minute_per_ip", &c.Limits.RecipientsPerMinute, "Most recipients from one address to smtp listeners"),
			rate("refused_recipients_per_hour_per_ip", &c.Limits.UnknownPerHour, "Most recipients that do not exist, from one address: who tries more guesses at names"),
			rate("errors_per_hour_per_ip", &c.Limits.ErrorsPerHour, "Most wrong commands, wrong passwords and refusals of one address; then it is refused when it connects"),
			rate("messages_per_hour_per_user", &c.Limits.UserMessagesPerHour, "Most messages that one user submits. It bounds what a stolen password is good for"),
			rate("recipients_per_hour_per_user", &c.Limits.UserRecipientsPerHour, "Most recipients that one user submits to"),
		}},
		c.abuse(),
		c.quota(),
	}
}

// quota is the table about mailboxes that fill up.
func (c *Config) quota() table {
	return table{"quota", "The owner of an account with a quota gets a letter when so much of it is used up, in percent; at most one of each kind a day.", []field{
		{name: "warning", value: count(&c.Quota.Warning, 0, 100), doc: "The first one; 0: none, as in the following."},
		{name: "urgent", value: count(&c.Quota.Urgent, 0, 100), doc: "Another one, when it is high time."},
		{name: "full", value: boolean(&c.Quota.Full), doc: "And one when mail is refused."},
	}}
}

// abuse is the table about accounts that may be stolen.
func (c *Config) abuse() table {
	const most = 1_000_000_000
	s := &c.Abuse.Suspicion
	return table{"abuse", "An account that does more than this may be stolen: what it submits is accepted, and held until `posthorn account release`.", []field{
		{name: "enabled", value: boolean(&c.Abuse.Enabled), doc: "Hold such mail."},
		{name: "recipients_per_hour", value: count(&s.Recipients, 0, most), doc: "Recipients within an hour; 0: any number, as in the following."},
		{name: "burst", value: count(&s.Burst, 0, most), doc: "Recipients within five minutes."},
		{
			name: "refused", value: count(&s.Refused, 0, most),
			doc: "Recipients within an hour that do not exist here, or are refused for good by other servers,",
		},
		{name: "refused_percent", value: count(&s.Percent, 1, 100), doc: "if they are so many in a hundred of all."},
		{
			name: "geoip", value: path(&c.Abuse.GeoIP), example: `"GeoLite2-Country.mmdb"`,
			doc: "A file that says which country an address is in (MaxMind DB). It is read again when it changes.",
		},
		{
			name: "new_country", value: count(&s.Abroad, 0, most),
			doc: "With geoip: recipients within an hour from countries that the account has come to within the last week. Travellers stay below.",
		},
	}}
}

// rate is a limit on how often something happens.
func rate(name string, p *int, doc string) field {
	return field{name: name, value: count(p, 0, 1_000_000_000), doc: doc + "; 0: any number."}
}

// allowances are the tables about single users. What a table leaves out is as for
// everybody, which has been read by then.
func (c *Config) allowances() array {
	return arrayOf(array{
		name: "allowance", after: "abuse",
		doc: "What some users may submit: one table for those who may do more, or less, than everybody. A key that is left out is as in [limits] and [abuse].",
	}, &c.Allowances, c.allowance, (*Allowance).fields)
}

// fields are the keys of an [[allowance]].
func (a *Allowance) fields() []field {
	return []field{
		{
			name: "users", required: true, value: users(&a.Users), example: `["newsletter@example.test"]`,
			doc: "Who: addresses of accounts, or domains for all their users. An address beats a domain.",
		},
		{
			name: "max_message_size", value: size(&a.MaxMessageSize, 64_000, 2_000_000_000),
			doc: "Largest message.",
		},
		{name: "max_recipients", value: count(&a.MaxRecipients, 1, 100_000), doc: "Most recipients of one message."},
		{name: "messages_per_hour", value: count(&a.MessagesPerHour, 0, 1_000_000_000), doc: "Most messages; 0: any number."},
		{
			name: "recipients_per_hour", value: count(&a.RecipientsPerHour, 0, 1_000_000_000),
			doc: "Most recipients; 0: any number. Who may have more than everybody is not held for having them, either.",
		},
		{name: "abuse_recipients_per_hour", value: count(&a.Suspicion.Recipients, 0, 1_000_000_000), doc: "As recipients_per_hour of [abuse]; and so the following."},
		{name: "abuse_burst", value: count(&a.Suspicion.Burst, 0, 1_000_000_000), doc: "Recipients within five minutes."},
		{name: "abuse_refused", value: count(&a.Suspicion.Refused, 0, 1_000_000_000), doc: "Recipients that are refused."},
		{name: "abuse_new_country", value: count(&a.Suspicion.Abroad, 0, 1_000_000_000), doc: "Recipients from a new country."},
	}
}

// users is a list of addresses and domains.
func users(p *[]string) value {
	return filled(list(p, `a list of users; want ["alice@example.test", "example.org"]`, func(v any) (string, error) {
		s, _ := v.(string)
		local, domain, ok := strings.Cut(s, "@")
		if !ok {
			local, domain = "everybody", s
		}
		if local == "" || !isName(domain) {
			return "", wantError(v, `a user; want "alice@example.test", or "example.test" for all users of a domain`)
		}
		return strings.ToLower(s), nil
	}, same))
}

// paths is a list of names of files, relative to the configuration file.
func paths(p *[]string) value {
	v := list(p, `a list of files; want ["lists/deny"]`, func(v any) (string, error) {
		if s, ok := v.(string); ok && s != "" {
			return s, nil
		}
		return "", wantError(v, `a file; want "lists/deny"`)
	}, same)
	readList := v.read
	v.read = func(raw any, dir string) error {
		if err := readList(raw, dir); err != nil {
			return err
		}
		for i, s := range *p {
			if !filepath.IsAbs(s) {
				(*p)[i] = filepath.Join(dir, s)
			}
		}
		return nil
	}
	return v
}
