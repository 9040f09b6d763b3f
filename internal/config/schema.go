package config

// table is a table of the file and the keys that may stand in it.
type table struct {
	name   string // "" for the keys before the first table
	doc    string
	fields []field
}

// tables are the file's tables but for the listeners, bound to this Config.
func (c *Config) tables() []table {
	return []table{
		{"", "", []field{
			{
				name: "hostname", required: true, value: hostname(&c.Hostname), example: `"mail.example.test"`,
				doc: "The full name of this machine, as it greets its peers. Its DNS entry should point here.",
			},
			{
				name: "data_dir", explicit: true, value: path(&c.DataDir),
				doc: "Where mail and accounts are kept. Relative paths start at this file's directory.",
			},
		}},
		{"tls", "The certificate for all listeners. It is read again on SIGHUP.", []field{
			{
				name: "certificate", value: path(&c.TLS.Certificate), example: `"cert.pem"`,
				doc: "PEM file with the certificate and its chain. Without it no listener offers TLS.",
			},
			{name: "key", value: path(&c.TLS.Key), example: `"key.pem"`, doc: "PEM file with the private key."},
		}},
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
		}},
		{"log", "The level can be changed with SIGHUP.", []field{
			{
				name: "format", value: choice("a log format", &c.Log.Format, []string{"auto", "text", "json"}, nil),
				doc: "text is for people, json for programs; auto is text on a terminal, json otherwise.",
			},
			{
				name: "level", value: level(&c.Log.Level),
				doc: "The least grave events that are logged: debug, info, warn or error.",
			},
		}},
	}
}

// listenerDoc explains the array of listeners.
const listenerDoc = "One table for each address that is listened on."

// fields are the keys of a [[listener]].
func (l *Listener) fields() []field {
	return []field{
		{
			name: "protocol", required: true, value: choice("a protocol", &l.Protocol, Protocols(), announced()), example: `"smtp"`,
			doc: "smtp, submission, submissions, lmtp, imap, imaps, pop3 or pop3s.",
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
	}
}
