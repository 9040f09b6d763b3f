package config

import (
	"slices"
	"time"
)

// table is a table of the file and the keys that may stand in it.
type table struct {
	name   string // "" for the keys before the first table
	doc    string
	fields []field
}

// tables are the file's tables but for those that there may be several of, in the
// order in which they are written, bound to this Config.
func (c *Config) tables() []table {
	return slices.Concat(c.machineTables(), []table{c.openID()}, c.mailTables(), []table{c.imapTable()}, c.policyTables(), c.logTables())
}

// machineTables are the tables about the server itself, and where it keeps things.
func (c *Config) machineTables() []table {
	return []table{
		{"", "", []field{
			{
				name: "hostname", required: true, value: hostname(&c.Hostname), example: `"mail.example.test"`,
				doc: "The full name of this machine, as it greets its peers. Its DNS entry should point here.",
			},
			{
				name: "operator", value: text(&c.Operator, isAddress), example: `"admin@example.test"`,
				doc: "Who gets a letter when something needs a person: a certificate that ends, an account that somebody abuses. Without it only the log tells.",
			},
			{
				name: "data_dir", explicit: true, value: path(&c.DataDir),
				doc: "Where mail and accounts are kept. Relative paths start at this file's directory.",
			},
		}},
		{"tls", "The certificate for all listeners. Files that change are read again by themselves.", []field{
			{
				name: "certificate", value: path(&c.TLS.Certificate), example: `"cert.pem"`,
				doc: "PEM file with the certificate and its chain. Without any certificate no listener offers TLS.",
			},
			{name: "key", value: path(&c.TLS.Key), example: `"key.pem"`, doc: "PEM file with the private key."},
		}},
		c.acme(),
		{"store", "", []field{
			{
				name: "engine", explicit: true, value: choice("an engine for the store", &c.Store.Engine, []string{Pebble, Postgres}, nil),
				doc: "pebble: embedded, needs nothing. postgres: a PostgreSQL server, version 13 or later.",
			},
			{
				name: "dsn", value: text(&c.Store.DSN), example: `"postgres://posthorn@db.example.test/posthorn"`,
				doc: "How to reach PostgreSQL.",
			},
		}},
		{"blob", "", []field{
			{
				name: "engine", explicit: true, value: choice("an engine for bodies", &c.Blob.Engine, []string{FS}, []string{"s3"}),
				doc: "Where large bodies lie. fs: files in data_dir.",
			},
		}},
	}
}

// mailTables are the tables about what becomes of mail.
func (c *Config) mailTables() []table {
	return []table{
		{"queue", "Mail for other servers.", []field{
			{
				name: "enabled", value: boolean(&c.Queue.Enabled),
				doc: "Deliver to other servers. If false, mail to domains that are not ours is refused.",
			},
			{
				name: "retry", value: pauses(&c.Queue.Retry),
				doc: "How long to wait after the first, second and further attempts that failed for now. The last one is repeated.",
			},
			{
				name: "give_up", value: giveUp(&c.Queue.GiveUp),
				doc: "After what time a message goes back to its sender.",
			},
			{
				name: "delay_notice", value: delayNotice(&c.Queue.DelayNotice),
				doc: `After what time its sender is told that a message is delayed; "0s": never.`,
			},
			{
				name: "connections", value: connections(&c.Queue.Connections),
				doc: "Most connections at a time to one destination.",
			},
		}},
		{"history", "What happened to messages, for `posthorn history`.", []field{
			{
				name: "days", value: count(&c.History.Days, 0, 3650),
				doc: "How many days it is kept: about 150 bytes an event, of which a message has one to three. 0 keeps nothing.",
			},
		}},
		{"audit", "Who logged in and failed to, what operators changed and users deleted, for `posthorn audit`.", []field{
			{
				name: "days", value: count(&c.Audit.Days, 0, 3650),
				doc: "How many days it is kept: about 100 bytes an entry. 0 keeps nothing.",
			},
			{
				name: "file", value: path(&c.Audit.File), example: `"audit.jsonl"`,
				doc: "Write it to this file, too, as lines of JSON; each day's is put aside as audit-2026-11-22.jsonl and removed after so many days.",
			},
			{
				name: "syslog", value: text(&c.Audit.Syslog, isSyslog), example: `"unix:/dev/log"`,
				doc: "And to a syslog server (RFC 5424): unix:/dev/log, udp:HOST:PORT or tcp:HOST:PORT.",
			},
		}},
		{"pop3", "What holds for all who fetch mail by POP3; `posthorn account pop3` has the settings of each account.", []field{
			{
				name: "expire", value: orNever(&c.POP3.Expire, 3650), example: "30",
				doc: "Mail that was fetched and left here is deleted after so many days, unless it is flagged. \"never\" keeps it.",
			},
			{
				name: "login_delay", value: duration(&c.POP3.LoginDelay, 0, 24*time.Hour), example: `"5m"`,
				doc: "How long a client must wait before it logs in to the same account again; \"0s\": not at all.",
			},
		}},
		{"search", "How SEARCH finds text.", []field{
			{
				name: "index", value: boolean(&c.Search.Index),
				doc: "Keep an index of all words for accounts that are searched, about a tenth of the size of their text. Without it, every search reads the messages.",
			},
		}},
		{"dns", "Who is asked for the names of other servers.", []field{
			{
				name: "servers", value: servers(&c.DNS.Servers), example: `["127.0.0.1:53"]`,
				doc: "Recursive name servers, the preferred first. Without any, those of /etc/resolv.conf. SIGHUP reads both again.",
			},
			{
				name: "trust_ad", value: maybe(&c.DNS.TrustAD, boolean), example: "true",
				doc: "Believe them when they say that an answer is authentic (DNSSEC), on which DANE rests. Without this key: if all of them are on this machine.",
			},
		}},
		{"tls_reports", "Domains may ask in DNS to be told once a day how TLS with their servers went (RFC 8460).", []field{
			{
				name: "from", value: text(&c.Reports.From, isAddress), example: `"tls-reports@example.test"`,
				doc: "The address that tells them, and that answers to their postmasters. Without it nobody is told.",
			},
		}},
	}
}

// logTables are the tables about those who run the server.
func (c *Config) logTables() []table {
	return []table{{"metrics", "", []field{
		{
			name: "address", value: address(&c.Metrics.Address), example: `"127.0.0.1:9225"`,
			doc: "Where monitors are answered by HTTP: /healthz, /readyz, /metrics (Prometheus). There are no passwords; keep it to this machine or a closed network.",
		},
	}}, {"service", "If root starts the server: who it becomes once its ports are open.", []field{
		{name: "user", value: text(&c.Service.User), example: `"posthorn"`, doc: "A user that may do nothing else. The data and the certificates have to be readable for it."},
		{name: "group", value: text(&c.Service.Group), example: `"posthorn"`, doc: "Its group, if not the user's own."},
	}}, {"log", "The level can be changed with SIGHUP.", []field{
		{
			name: "format", value: choice("a log format", &c.Log.Format, []string{"auto", "text", "json"}, nil),
			doc: "text is for people, json for programs; auto is text on a terminal, json otherwise.",
		},
		{
			name: "level", value: level(&c.Log.Level),
			doc: "The least grave events that are logged: debug, info, warn or error.",
		},
	}}}
}

// array is a list of tables of the same shape.
type array struct {
	name   string
	doc    string
	after  string  // the table that it is written after
	needed bool    // the file must have one
	normal []field // of a table without keys
	tables [][]field
	add    func() []field // adds one
}

// arrayOf makes a the array of the tables that a list is: each has the fields of an element,
// and what it leaves out is as in a fresh one.
func arrayOf[T any](a array, list *[]T, fresh func() T, fields func(*T) []field) array {
	normal := fresh()
	a.normal = fields(&normal)
	a.add = func() []field {
		*list = append(*list, fresh())
		return fields(&(*list)[len(*list)-1])
	}
	for i := range *list {
		a.tables = append(a.tables, fields(&(*list)[i]))
	}
	return a
}

// empty is an element of which nothing is said.
func empty[T any]() (none T) { return none }

// arrays are the file's lists of tables, bound to this Config.
func (c *Config) arrays() []array {
	listeners := arrayOf(array{
		name: "listener", needed: true,
		doc: "One table for each address that is listened on.",
	}, &c.Listeners, empty, (*Listener).fields)
	routes := arrayOf(array{
		name: "route", after: "queue",
		doc: "Where mail for other servers goes if not to those that its domain names in DNS: one table for each way. The one whose domain fits best counts.",
	}, &c.Routes, defaultRoute, (*Route).fields)
	return []array{listeners, c.certificates(), c.certificateUsers(), c.directories(), routes, c.allowances(), c.quirks()}
}

// fields are the keys of a [[listener]].
func (l *Listener) fields() []field {
	return []field{
		{
			name: "protocol", required: true, value: choice("a protocol", &l.Protocol, append(Protocols(), HTTPS, HTTP, ForACME), announced()), example: `"smtp"`,
			doc: "smtp, submission, submissions, lmtp, imap, imaps, pop3 or pop3s; https for posthorn --server, and http for that on this machine alone; acme answers the authority of [acme].",
		},
		{
			name: "address", required: true, value: address(&l.Address), example: `"0.0.0.0:25"`,
			doc: `host:port; the host may be left out for all addresses of this machine (":25").`,
		},
		{
			name: "proxy_protocol", value: prefixes(&l.ProxyProtocol), example: `["10.0.0.0/8"]`,
			doc: "Load balancers that begin each connection with a PROXY header (version 1 or 2).",
		},
		{
			name: "plaintext_auth", value: boolean(&l.PlaintextAuth),
			doc: "Allow passwords without TLS; for tests and closed networks only.",
		},
		{
			name: "xclient", value: prefixes(&l.XClient), example: `["127.0.0.1/32"]`,
			doc: "Proxies and filters in front of smtp, submission or lmtp that may say whom they stand for (XCLIENT, XFORWARD of Postfix). They are believed.",
		},
		{
			name: "client_certificates", value: path(&l.ClientCertificates), example: `"ca.pem"`,
			doc: "Ask clients for a certificate of one of the authorities in this PEM file, which they can log in with (SASL EXTERNAL). It is read again on SIGHUP.",
		},
		{
			name: "require_client_certificate", value: boolean(&l.RequireClientCertificates),
			doc: "Refuse TLS to clients that show none.",
		},
		{
			name: "mechanisms", value: mechanismList(&l.Mechanisms), example: `["PLAIN", "SCRAM-SHA-256"]`,
			doc: "The only ways in which users can log in. Without it: all but CRAM-MD5 and APOP, which are weak, and work for accounts only that have opted in; SCRAM while all accounts have keys for it.",
		},
		{
			name: "without_mechanisms", value: mechanismList(&l.WithoutMechanisms), example: `["LOGIN"]`,
			doc: "Or those that are taken away from the usual ones.",
		},
	}
}

// fields are the keys of a [[route]].
func (r *Route) fields() []field {
	return []field{
		{
			name: "domains", value: domains(&r.Domains), example: `["example.org"]`,
			doc: `Whose mail: "example.org", ".example.org" for all below it, "*" for all other domains. A route with a name needs none.`,
		},
		{
			name: "name", value: word(&r.Name, `a name; want something like "backup"`), example: `"backup"`,
			doc: "What posthorn queue reroute --to calls it.",
		},
		{
			name: "transport", value: choice("a transport", &r.Transport, []Transport{SmartHost, ByLMTP, ByMX, Discard}, nil),
			doc: "smarthost: to hosts, which see to the rest. lmtp: to hosts that have the mailboxes. mx: as DNS says. discard: nowhere; it counts as delivered.",
		},
		{
			name: "hosts", value: hosts(&r.Hosts), example: `["smtp.isp.example:587"]`,
			doc: "Tried in this order: host, host:port, or unix:/path for lmtp.",
		},
		{
			name: "tls", value: choice("a policy for TLS", &r.TLS, []RouteTLS{Opportunistic, Required, Verified, Never}, nil),
			doc: "opportunistic: where it is offered, and as DANE and MTA-STS say. required: always, with whatever certificate. verified: always, with one that is good for the host. never.",
		},
		{name: "implicit_tls", value: boolean(&r.ImplicitTLS), doc: "TLS from the first byte, as on port 465."},
		{name: "user", value: text(&r.User), example: `"alice@isp.example"`, doc: "Log in with this name."},
		{
			name: "password_file", value: path(&r.PasswordFile), example: `"isp.password"`,
			doc: "File whose first line is the password. It is read again on SIGHUP.",
		},
		{name: "plaintext_auth", value: boolean(&r.PlaintextAuth), doc: "Log in without TLS, too; for closed networks only."},
		{name: "hostname", value: hostname(&r.Hostname), example: `"out.example.test"`, doc: "What this server calls itself there."},
		{
			name: "source", value: addresses(&r.Source), example: `["192.0.2.1"]`,
			doc: "Which of its addresses this server uses, one of each family at most.",
		},
		{name: "retry", value: pauses(&r.Retry), example: `["5m", "30m"]`, doc: "As in [queue], for these destinations alone; and so the following."},
		{name: "give_up", value: maybe(&r.GiveUp, giveUp), example: `"2d"`, doc: "When a message goes back."},
		{name: "delay_notice", value: maybe(&r.DelayNotice, delayNotice), example: `"4h"`, doc: "When its sender hears of the delay."},
		{name: "connections", value: maybe(&r.Connections, connections), example: "5", doc: "Most at a time to each destination."},
	}
}

// The kinds of values that [queue] and [[route]] share.
func giveUp(p *time.Duration) value      { return duration(p, time.Minute, 60*day) }
func delayNotice(p *time.Duration) value { return duration(p, 0, 60*day) }
func connections(p *int) value           { return count(p, 1, 1000) }
