package config

import (
	"bytes"
	"flag"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: run with -update if this is right; got:\n%s", name, got)
	}
}

// TestMistakes reads every testdata/*.toml and compares the complaints with the
// .want file beside it.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".toml")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse("posthorn.toml", data)
			if err == nil {
				t.Fatal("no complaint")
			}
			golden(t, name+".want", err.Error()+"\n")
		})
	}
}

func TestReference(t *testing.T) {
	var out bytes.Buffer
	if err := Reference(&out); err != nil {
		t.Fatal(err)
	}
	golden(t, "reference.txt", out.String())
	got, err := Parse("posthorn.toml", out.Bytes())
	if err != nil {
		t.Fatalf("the reference is not a configuration: %v", err)
	}
	want := Default()
	want.Hostname, want.Listeners = "mail.example.test", []Listener{{Protocol: SMTP, Address: "0.0.0.0:25"}}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("the reference reads as\n%+v, want\n%+v", *got, want)
	}
}

// full is a configuration in which every key has another value than the default.
func full() Config {
	return Config{
		Hostname: "mail.example.test",
		Operator: "admin@example.test",
		DataDir:  "/var/lib/posthorn",
		Listeners: []Listener{
			{Protocol: SMTP, Address: ":25", ProxyProtocol: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::1/128")}, XClient: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}},
			{Protocol: IMAPS, Address: "[::1]:993", PlaintextAuth: true, ClientCertificates: "/etc/clients.pem", RequireClientCertificates: true},
		},
		TLS:      TLS{Certificate: "/etc/cert.pem", Key: "/etc/key.pem"},
		OtherTLS: []TLS{{"/etc/other.pem", "/etc/other.key"}},
		ACME: ACME{
			Enabled: true, Email: "postmaster@example.test", Directory: "https://ca.example.test/dir", CA: "/etc/ca.pem",
			Names: []string{"imap.example.test"}, Challenge: DNS01, DNSServer: "192.0.2.53:53", DNSKeyFile: "/etc/acme.key", DNSWait: time.Minute,
		},
		Store: Store{Engine: Postgres, DSN: "postgres://posthorn@db/posthorn"},
		Blob:  Blob{Engine: FS},
		Queue: Queue{false, []time.Duration{time.Minute, time.Hour}, 48 * time.Hour, 90 * time.Minute, 3},
		Routes: []Route{
			{Domains: []string{"example.org", ".example.org"}, Transport: ByLMTP, Hosts: []string{"unix:/run/lmtp"}, TLS: Never},
			{
				Domains: []string{"*"}, Transport: SmartHost, Hosts: []string{"smtp.isp.example:465", "[2001:db8::1]"}, TLS: Verified, ImplicitTLS: true,
				User: "alice", PasswordFile: "/etc/isp.password", PlaintextAuth: true, Hostname: "out.example.test",
				Source: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, Name: "isp",
				Retry: []time.Duration{time.Minute}, GiveUp: new(24 * time.Hour), DelayNotice: new(time.Duration(0)), Connections: new(3),
			},
		},
		Directories: []Directory{
			{
				Name: "corp", Type: LDAP, Domains: []string{"example.test"}, Remember: time.Minute, Timeout: time.Second, Connections: 2,
				PasswordFile: "/etc/corp.password", CA: "/etc/corp.pem", Servers: []string{"ldaps://ldap.example.test", "ldapi:///run/ldapi"},
				BindDN: "cn=mail", Base: "dc=test", Filter: "(mail=%u)", PasswordAttribute: "userPassword", Parameters: []string{"address"},
			},
			{
				Name: "people", Type: InMySQL, Remember: time.Hour, Timeout: time.Minute, Connections: 3, StartTLS: true, DSN: "mail@tcp(db)/people",
				Query: "SELECT hash FROM people WHERE name = ? AND domain = ?", Parameters: []string{"local", "domain"},
			},
			{
				Name: "file", Type: InSQLite, Remember: time.Hour, Timeout: time.Minute, Connections: 3, StartTLS: true, File: "/var/lib/people.db",
				Query: "SELECT hash FROM people WHERE address = ?", Parameters: []string{"address"},
			},
		},
		DNS:     DNS{[]netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53"), netip.MustParseAddrPort("[::1]:5353")}, new(bool)},
		Reports: TLSReports{"tls@example.test"},
		IMAP:    IMAPSettings{Administrators: []string{"admin@example.test"}, MessageLimit: 1000, Referrals: []string{"bob@example.test imap://bob@imap.example.org/"}},
		Relay:   Relay{[]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("fd00::/8")}},
		Audit:   Audit{7, "/var/log/audit.jsonl", "udp:192.0.2.1:514"},
		POP3:    POP3Settings{30, 5 * time.Minute},
		Lists:   Lists{Allow: []string{"/etc/allow"}, Deny: []string{"/etc/deny", "/var/lib/deny.d"}},
		Limits: Limits{
			Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, MaxMessageSize: 64 << 20, MaxRecipients: 200,
			MaxConns: 10, MaxConnsPerIP: 5, GreetDelay: 3 * time.Second, Tarpit: time.Minute, MaxSessionsPerUser: 30, BanAfter: 20, BanTime: time.Hour,
			ConnsPerMinute: 1, MessagesPerMinute: 2, RecipientsPerMinute: 3, UnknownPerHour: 4, ErrorsPerHour: 5,
			UserMessagesPerHour: 6,
		},
		Abuse:  Abuse{true, Suspicion{10, 20, 30, 40, 50}, "/var/lib/country.mmdb"},
		Quirks: []Quirk{{"Outlook/16", "alice@example.test", []string{"COMPRESS=DEFLATE", "NOTIFY"}, []string{"UIDONLY"}}},
		Allowances: []Allowance{
			{Users: []string{"news@example.test", "example.org"}, MaxMessageSize: 64 << 20, MaxRecipients: 5000, MessagesPerHour: 6, Suspicion: Suspicion{10, 20, 30, 40, 50}},
			{Users: []string{"guest@example.test"}, MaxMessageSize: 1_000_000, MaxRecipients: 10, MessagesPerHour: 20, RecipientsPerHour: 50, Suspicion: Suspicion{Percent: 40, Burst: 7, Abroad: 50}},
		},
		Metrics: Metrics{"127.0.0.1:9225"},
		Service: Service{"posthorn", "mail"},
		Log:     Log{Format: "json", Level: slog.LevelDebug},
	}
}

func TestWriteReadsBack(t *testing.T) {
	want := full()
	var out bytes.Buffer
	if err := Write(&out, want); err != nil {
		t.Fatal(err)
	}
	golden(t, "full.txt", out.String())
	got, err := Parse("posthorn.toml", out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("reads back as\n%+v, want\n%+v", *got, want)
	}
}

func TestPathsStartAtTheFile(t *testing.T) {
	c := full()
	c.DataDir, c.TLS = "data", TLS{"tls/cert.pem", "/elsewhere/key.pem"}
	var out bytes.Buffer
	if err := Write(&out, c); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "posthorn.toml")
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(file)
	if got.DataDir != filepath.Join(dir, "data") || got.TLS.Certificate != filepath.Join(dir, "tls/cert.pem") || got.TLS.Key != "/elsewhere/key.pem" {
		t.Errorf("data_dir %s, tls %+v", got.DataDir, got.TLS)
	}
	if got.ControlSocket() != filepath.Join(dir, "data/control.sock") {
		t.Errorf("control socket %s", got.ControlSocket())
	}
}

func TestDefaultDataDirStartsAtTheFile(t *testing.T) {
	got, err := Parse("/etc/posthorn/posthorn.toml", []byte("hostname = \"mail.example.test\"\n[[listener]]\nprotocol = \"lmtp\"\naddress = \":24\"\n"))
	if err != nil || got.DataDir != "/etc/posthorn/data" {
		t.Errorf("data_dir %v, %v", got, err)
	}
}

func TestLoadWithoutFile(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "posthorn.toml")); !os.IsNotExist(unwrap(err)) {
		t.Errorf("Load = %v", err)
	}
}

func unwrap(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return err
}

func TestSizes(t *testing.T) {
	for in, want := range map[string]int64{"50 MB": 50e6, "50mb": 50e6, "1.5 GiB": 3 << 29, "48 MiB": 48 << 20, "100 kB": 1e5, "70000 B": 70000} {
		if got, ok := parseSize(in); !ok || got != want {
			t.Errorf("parseSize(%q) = %d, %v; want %d", in, got, ok, want)
		}
		if again, ok := parseSize(formatSize(want)); !ok || again != want {
			t.Errorf("%d is written %q and read as %d", want, formatSize(want), again)
		}
	}
	for _, in := range []string{"", "MB", "-1 MB", "fifty MB", "50", "1e300 GB", "NaN MB"} {
		if got, ok := parseSize(in); ok {
			t.Errorf("parseSize(%q) = %d", in, got)
		}
	}
}
