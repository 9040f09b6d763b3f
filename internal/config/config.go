// Package config owns the configuration file: its plain structs, what each key
// means, its default, and the messages about everything that is wrong with it.
//
// The one place that knows a key is its row in schema.go: name, explanation,
// default, how it is read and how it is written. Reading, checking, the commented
// reference and the file that `posthorn init` writes all come from these rows.
//
// The flow: Load reads the file -> go-toml turns it into plain values -> the rows
// take them over and complain -> check looks at what only makes sense together.
// All problems are reported at once, each with its file, line and key. Nothing here
// opens a certificate, a store or a socket, and objects that change at run time
// (domains, accounts, aliases) are not configuration.
package config

import (
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"time"
)

// Config is a whole configuration. Paths are absolute or relative to the working
// directory once Load has returned; in a Config made by hand they are relative to
// the file that Write makes.
type Config struct {
	Hostname   string
	Operator   string // the address of who runs the server; "": he reads the log
	DataDir    string
	Listeners  []Listener
	TLS        TLS
	ACME       ACME
	OtherTLS   []TLS // for the names in these certificates; TLS is for all others
	Store      Store
	Blob       Blob
	Queue      Queue
	Routes     []Route
	DNS        DNS
	Reports    TLSReports
	Relay      Relay
	History    History
	Audit      Audit
	POP3       POP3Settings
	Search     Search
	IMAP       IMAPSettings
	Lists      Lists
	Limits     Limits
	Abuse      Abuse
	Quota      Quota
	Allowances []Allowance
	Quirks     []Quirk
	Metrics    Metrics
	Service    Service
	Log        Log

	OpenID           OpenID
	CertificateUsers []CertificateUser
	Directories      []Directory
}

// Listener is one address that one protocol is spoken on.
type Listener struct {
	Protocol      Protocol
	Address       string         // host:port
	ProxyProtocol []netip.Prefix // peers that must send a PROXY header
	PlaintextAuth bool           // authentication without TLS
	XClient       []netip.Prefix // peers that may speak for others by XCLIENT and XFORWARD

	ClientCertificates        string // PEM file of the authorities whose certificates clients are asked for; "": they are not
	RequireClientCertificates bool   // those that have none are refused

	Mechanisms        []string // the only ways to log in; empty: all that need not be asked for
	WithoutMechanisms []string
}

// Protocol is what is spoken on a listener.
type Protocol string

// The protocols. Those in Announced are part of the operator contract, but no
// server for them exists yet.
const (
	SMTP        Protocol = "smtp"
	Submission  Protocol = "submission"
	Submissions Protocol = "submissions"
	LMTP        Protocol = "lmtp"
	IMAP        Protocol = "imap"
	IMAPS       Protocol = "imaps"
	POP3        Protocol = "pop3"
	POP3S       Protocol = "pop3s"
	ForACME     Protocol = "acme" // challenges of authorities that issue certificates
	HTTP        Protocol = "http" // accounts administer what is theirs, from this machine
	HTTPS       Protocol = "https"
)

// Protocols lists what a listener can speak with people and with servers for mail.
func Protocols() []Protocol {
	return []Protocol{SMTP, Submission, Submissions, LMTP, IMAP, IMAPS, POP3, POP3S}
}

// announced lists what a listener will be able to speak.
func announced() []Protocol { return []Protocol{"managesieve"} }

// ImplicitTLS says that a connection begins with a TLS handshake.
func (p Protocol) ImplicitTLS() bool {
	return p == Submissions || p == IMAPS || p == POP3S || p == HTTPS
}

// LogsIn says that clients authenticate themselves on this protocol.
func (p Protocol) LogsIn() bool { return p != SMTP && p != LMTP && p != ForACME }

// TakesMail says that clients hand in mail on this protocol.
func (p Protocol) TakesMail() bool {
	return p == SMTP || p == Submission || p == Submissions || p == LMTP
}

// Port is the port that a protocol is known by.
func (p Protocol) Port() int {
	return map[Protocol]int{
		SMTP: 25, Submission: 587, Submissions: 465, LMTP: 24, IMAP: 143, IMAPS: 993, POP3: 110, POP3S: 995, HTTP: 80, HTTPS: 443,
	}[p]
}

// HighPort is the port that a protocol gets where the known ones need privileges.
func (p Protocol) HighPort() int {
	return map[Protocol]int{
		SMTP: 2525, Submission: 2587, Submissions: 2465, LMTP: 2424, IMAP: 2143, IMAPS: 2993, POP3: 2110, POP3S: 2995, HTTP: 2080, HTTPS: 2443,
	}[p]
}

// TLS names a certificate.
type TLS struct {
	Certificate, Key string // PEM files; both empty: none
}

// OffersTLS says that there is a certificate to show.
func (c *Config) OffersTLS() bool {
	return c.TLS.Certificate != "" || len(c.OtherTLS) > 0 || c.ACME.Enabled
}

// ACME says from which authority certificates come by themselves.
type ACME struct {
	Enabled    bool
	Email      string   // where the authority reaches the operator
	Directory  string   // URL
	CA         string   // PEM file of who vouches for the authority's own server; "": as the system knows
	Names      []string // besides Hostname
	Challenge  Challenge
	DNSServer  string // host:port, takes changes of the zones of all names
	DNSKeyFile string
	DNSWait    time.Duration
}

// Challenge is how an authority is shown that a name is ours.
type Challenge string

// The challenges.
const (
	HTTP01    Challenge = "http-01"
	TLSALPN01 Challenge = "tls-alpn-01"
	DNS01     Challenge = "dns-01"
)

// LetsEncrypt is the authority that is asked unless another is named.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// The engines that Store and Blob can name.
const (
	Pebble   = "pebble"
	Postgres = "postgres"
	FS       = "fs"
)

// Store chooses where everything but large bodies is kept.
type Store struct {
	Engine string // Pebble or Postgres
	DSN    string // of PostgreSQL
}

// Blob chooses where large bodies are kept.
type Blob struct {
	Engine string // FS
}

// Queue says with how much patience mail is delivered to other servers.
type Queue struct {
	Enabled     bool            // false: mail to other domains is refused, nothing leaves this machine
	Retry       []time.Duration // pauses after the first, second and further attempts; the last is repeated
	GiveUp      time.Duration
	DelayNotice time.Duration // 0: none
	Connections int           // to one destination at a time
}

// Route is how mail gets to some destinations other than by their MX records.
type Route struct {
	Domains       []string  // "example.org", ".example.org" for all below it, "*" for all
	Name          string    // by which the operator can choose it; then Domains may be empty
	Transport     Transport // default: SmartHost
	Hosts         []string  // host, host:port or unix:/path
	TLS           RouteTLS  // default: Opportunistic
	ImplicitTLS   bool
	User          string
	PasswordFile  string
	PlaintextAuth bool
	Hostname      string       // what we call ourselves; "": Config.Hostname
	Source        []netip.Addr // our end of connections: one address of each family at most

	// What differs from Queue for these destinations; nil: nothing.
	Retry       []time.Duration
	GiveUp      *time.Duration
	DelayNotice *time.Duration
	Connections *int
}

// For is the patience with the destinations of a route.
func (q Queue) For(r *Route) Queue {
	if r.Retry != nil {
		q.Retry = r.Retry
	}
	if r.GiveUp != nil {
		q.GiveUp = *r.GiveUp
	}
	if r.DelayNotice != nil {
		q.DelayNotice = *r.DelayNotice
	}
	if r.Connections != nil {
		q.Connections = *r.Connections
	}
	return q
}

// Transport is how mail travels on a route.
type Transport string

// The transports.
const (
	SmartHost Transport = "smarthost" // to servers that see to the rest
	ByLMTP    Transport = "lmtp"      // to servers that put it into mailboxes
	ByMX      Transport = "mx"        // as without a route
	Discard   Transport = "discard"   // nowhere
)

// needsHosts says that a transport leads to servers that have to be named.
func (t Transport) needsHosts() bool { return t == SmartHost || t == ByLMTP }

// RouteTLS is what a route asks of TLS.
type RouteTLS string

// What can be asked of TLS.
const (
	Opportunistic RouteTLS = "opportunistic" // where it is offered, to whomever
	Required      RouteTLS = "required"      // always, to whomever
	Verified      RouteTLS = "verified"      // always, and the certificate must be good
	Never         RouteTLS = "never"
)

// DNS says who is asked for names.
type DNS struct {
	Servers []netip.AddrPort // recursive servers, the preferred first; empty: those of the system
	TrustAD *bool            // whether they are believed to have validated an answer; nil: see Trusted
}

// TLSReports says whether other domains are told how TLS with their servers went.
type TLSReports struct {
	From string // the address that tells them; "": nobody is told
}

// Trusted says whether these servers are believed if they call an answer authentic.
// Unless the file says so: if nobody can change what they say on its way, which is
// certain of servers on this machine only.
func (d DNS) Trusted(servers []netip.AddrPort) bool {
	if d.TrustAD != nil {
		return *d.TrustAD
	}
	return !slices.ContainsFunc(servers, func(s netip.AddrPort) bool { return !s.Addr().Unmap().IsLoopback() })
}

// Relay says who may send to other domains without a password.
type Relay struct {
	Networks []netip.Prefix // of clients on listeners for smtp
}

// History says how long it is known what happened to messages.
type History struct {
	Days int // 0: nothing is kept
}

// POP3Settings is the policy for clients that fetch mail; accounts have settings of their own.
type POP3Settings struct {
	Expire     int           // days after which fetched mail is deleted; 0: never
	LoginDelay time.Duration // between two logins to an account; 0: none
}

// Audit says where it is written down who did what.
type Audit struct {
	Days   int    // that it is kept; 0: nothing is
	File   string // lines of JSON go there, too; "": they do not
	Syslog string // udp:HOST:PORT, tcp:HOST:PORT or unix:PATH; ""
}

// Search says how mail is searched.
type Search struct {
	Index bool // accounts that are searched get an index of all words
}

// Lists name the files, or folders of files, of those whose mail is always or never wanted.
type Lists struct {
	Allow, Deny []string
}

// Limits bounds what a peer may use.
type Limits struct {
	Exempt         []netip.Prefix // networks that rate, connection and ban limits never apply to
	MaxMessageSize int64          // bytes
	MaxRecipients  int            // of one message
	MaxConns       int            // on each listener
	MaxConnsPerIP  int            // on each listener

	MaxSessionsPerUser int // by each protocol

	GreetDelay time.Duration // strangers on smtp are watched so long before they are greeted; 0: not at all
	Tarpit     time.Duration // longest pause before the reply to a client that makes errors; 0: none

	BanAfter int           // wrong passwords within an hour, after which a network is refused; 0: never
	BanTime  time.Duration // for how long, the first time

	// Of a client's address, an IPv6 one by its /64; 0: any number.
	ConnsPerMinute      int // on listeners for smtp and submission
	MessagesPerMinute   int // on listeners for smtp
	RecipientsPerMinute int // on listeners for smtp
	UnknownPerHour      int // recipients that do not exist, on listeners for smtp
	ErrorsPerHour       int // on listeners for smtp and submission
	// Of a user; 0: any number.
	UserMessagesPerHour   int
	UserRecipientsPerHour int
}

// Quota says when the owner of a mailbox is told that it is filling up.
type Quota struct {
	Warning, Urgent int  // percent; 0: not then
	Full            bool // when mail is refused
}

// Abuse says when the mail of an account is held, since somebody may have stolen it.
type Abuse struct {
	Enabled bool
	Suspicion
	GeoIP string // MaxMind DB; "": it is not known where addresses are
}

// Suspicion is what an account may do before it is held. What is 0 is not looked at.
type Suspicion struct {
	Recipients int // within an hour
	Burst      int // recipients within five minutes
	Refused    int // recipients within an hour that are refused,
	Percent    int // if they are at least so many in a hundred
	Abroad     int // recipients within an hour from a country that is new to the account
}

// Allowance is what some users may do instead of what Limits and Abuse say of everybody.
type Allowance struct {
	Users             []string // addresses, or domains for all their users; in lower case
	MaxMessageSize    int64
	MaxRecipients     int
	MessagesPerHour   int
	RecipientsPerHour int
	Suspicion         Suspicion
}

// allowance is that of everybody.
func (c *Config) allowance() Allowance {
	l := &c.Limits
	return Allowance{
		MaxMessageSize: l.MaxMessageSize, MaxRecipients: l.MaxRecipients,
		MessagesPerHour: l.UserMessagesPerHour, RecipientsPerHour: l.UserRecipientsPerHour,
		Suspicion: c.Abuse.Suspicion,
	}
}

// Metrics says where monitors are answered.
type Metrics struct {
	Address string // host:port; "": nowhere
}

// Service says who the server is once it has opened its ports.
type Service struct {
	User, Group string // "": whoever started it, and his group
}

// Log says how and what is logged.
type Log struct {
	Format string // auto, text or json
	Level  slog.Level
}

// Default is the configuration of an empty file.
func Default() Config {
	return Config{
		DataDir: "data",
		ACME:    ACME{Directory: LetsEncrypt, Challenge: HTTP01, DNSWait: 30 * time.Second},
		Store:   Store{Engine: Pebble},
		Blob:    Blob{Engine: FS},
		Queue: Queue{
			Enabled:     true,
			Retry:       []time.Duration{2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute},
			GiveUp:      5 * 24 * time.Hour,
			DelayNotice: 4 * time.Hour,
			Connections: 20,
		},
		History: History{Days: 14},
		Audit:   Audit{Days: 90},
		Search:  Search{Index: true},
		Limits: Limits{
			MaxMessageSize: 50_000_000,
			MaxRecipients:  1000,
			MaxConns:       20_000,
			MaxConnsPerIP:  200,

			MaxSessionsPerUser: 50,

			GreetDelay: time.Second,
			Tarpit:     10 * time.Second,
			BanAfter:   50,
			BanTime:    10 * time.Minute,

			ConnsPerMinute:        1200,
			MessagesPerMinute:     6000,
			RecipientsPerMinute:   30_000,
			UnknownPerHour:        1000,
			ErrorsPerHour:         1000,
			UserMessagesPerHour:   1000,
			UserRecipientsPerHour: 10_000,
		},
		Quota: Quota{Warning: 80, Urgent: 95, Full: true},
		// Package abuse says why these.
		Abuse: Abuse{Enabled: true, Suspicion: Suspicion{Recipients: 1000, Burst: 500, Refused: 100, Percent: 33, Abroad: 100}},
		Log:   Log{Format: "auto", Level: slog.LevelInfo},
	}
}

// defaultRoute is the route of an empty table.
func defaultRoute() Route { return Route{Transport: SmartHost, TLS: Opportunistic} }

// StoreDir is where an engine on this machine keeps its files.
func (c *Config) StoreDir() string { return filepath.Join(c.DataDir, "store") }

// BlobDir is where large bodies lie.
func (c *Config) BlobDir() string { return filepath.Join(c.DataDir, "blobs") }

// SecretsKey is the key with which secrets of accounts are sealed in the store.
func (c *Config) SecretsKey() string { return filepath.Join(c.DataDir, "secrets.key") }

// TempDir is for what needs not outlive the process.
func (c *Config) TempDir() string { return filepath.Join(c.DataDir, "tmp") }

// ControlSocket is where a running server listens for the command line.
func (c *Config) ControlSocket() string { return filepath.Join(c.DataDir, "control.sock") }
