package config

import "time"

// policyTables are the tables about who may do what, and how much of it.
func (c *Config) policyTables() []table {
	return []table{
		{"relay", "", []field{
			{
				name: "networks", value: prefixes(&c.Relay.Networks), example: `["10.0.0.0/8"]`,
				doc: "Networks whose machines may send to other domains through the smtp listeners, without a password. Whoever connects from there can write to the whole world in your name.",
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
				name: "greet_delay", value: duration(&c.Limits.GreetDelay, 0, 30*time.Second),
				doc: `How long strangers on smtp wait to be greeted. Who speaks before that is no mail server and is refused; "0s": nobody waits.`,
			},
			{
				name: "tarpit", value: duration(&c.Limits.Tarpit, 0, time.Minute),
				doc: `Longest pause before the reply to a client that keeps making errors (guesses at addresses, unknown commands); "0s": none.`,
			},
		}},
	}
}
