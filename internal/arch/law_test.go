package arch

import "strings"

// floors says who may import whom: a package only imports from floors below its
// own, or its parent. Paths are relative to the module; a sub-package that is not
// listed belongs to its parent's floor.
var floors = map[string]int{
	"internal/fault": 0, "internal/obs": 0, "internal/config": 0,

	"internal/addr": 1, "internal/dns": 1, "internal/message": 1, "internal/record": 1, "internal/sasl": 1,
	"internal/smtpwire": 1, "internal/service": 1, "internal/socket": 1, "internal/imapwire": 1, "internal/casemap": 1,

	"internal/kv": 2, "internal/credential": 2, "internal/blob": 2, "internal/wire": 2,
	"internal/dkim": 2, "internal/spf": 2, "internal/dmarc": 2, "internal/arc": 2, "internal/mtasts": 2,
	"internal/dane": 2, "internal/geoip": 2, "internal/openid": 2, "internal/dsn": 2, "internal/srs": 2, "internal/sieve": 2, "internal/smtpclient": 2, "internal/imapclient": 2,

	"internal/kv/memkv": 3, "internal/kv/pebblekv": 3, "internal/kv/pgkv": 3, "internal/kv/kvtest": 3, "internal/kv/enginetest": 3,
	"internal/blob/memblob": 3, "internal/blob/fsblob": 3, "internal/blob/blobtest": 3,
	"internal/certs": 3,

	"internal/store": 4, "internal/queue": 4, "internal/tlsrpt": 4, "internal/directory": 4, "internal/directory/ldapsource": 4, "internal/directory/sqlsource": 4, "internal/filter": 4,
	"internal/dnszone": 4, "internal/history": 4,

	"internal/audit":   5,
	"internal/deliver": 5, "internal/search": 5, "internal/login": 5, "internal/notice": 5, "internal/roster": 5,

	"internal/inbound": 6, "internal/outbound": 6,

	"internal/smtpd": 7, "internal/imapd": 7, "internal/pop3d": 7, "internal/admin": 7,

	"internal/server": 8, "internal/cli": 8,

	"cmd/posthorn": 9, "bench": 9,

	"internal/transcript": 0, "internal/arch": 9, "test": 9,
}

// neighbours are the imports within one floor that the law allows.
var neighbours = map[string][]string{
	"internal/obs":      {"internal/fault"},
	"internal/config":   {"internal/fault"},
	"internal/message":  {"internal/addr"},
	"internal/imapwire": {"internal/addr", "internal/message"},
	"internal/smtpwire": {"internal/addr"},
	"internal/sasl":     {"internal/addr"},
	"internal/cli":      {"internal/server"},

	"internal/filter/guesses": {"internal/filter/rates"},

	"internal/kv/enginetest": {"internal/kv/memkv", "internal/kv/pebblekv", "internal/kv/pgkv"},
}

// isTestOnly tells the packages that only tests import. What the law says about
// package-level state does not bind them.
func isTestOnly(dir string) bool {
	return strings.HasSuffix(dir, "test") || under(dir, "internal/transcript") || under(dir, "test")
}

// outside says which package may import which module. A module stays behind the
// one package that is named here; doc/deps.md says why it is used at all.
var outside = map[string][]string{
	"blitiri.com.ar/go/spf":                   {"internal/spf"},
	"github.com/alecthomas/kong":              {"internal/cli", "cmd/posthorn"},
	"github.com/cockroachdb/pebble/v2":        {"internal/kv/pebblekv", "internal/kv/enginetest"},
	"github.com/coreos/go-oidc/v3":            {"internal/openid"},
	"github.com/emersion/go-msgauth":          {"internal/dkim"},
	"github.com/jackc/pgx/v5":                 {"internal/kv/pgkv", "internal/kv/pgkv/pgtest", "internal/directory/sqlsource"},
	"github.com/go-ldap/ldap/v3":              {"internal/directory/ldapsource"},
	"github.com/go-sql-driver/mysql":          {"internal/directory/sqlsource"},
	"modernc.org/sqlite":                      {"internal/directory/sqlsource"},
	"github.com/klauspost/compress":           {"internal/blob/fsblob", "internal/wire"},
	"github.com/mholt/acmez/v3":               {"internal/certs"},
	"github.com/miekg/dns":                    {"internal/dns", "bench/relay"},
	"github.com/oschwald/maxminddb-golang/v2": {"internal/geoip"},
	"github.com/pelletier/go-toml/v2":         {"internal/config"},
	"github.com/pquerna/otp":                  {"internal/credential"},
	"github.com/prometheus/client_golang":     {"internal/obs/metrics"},
	"golang.org/x/crypto":                     {"internal/credential", "internal/sasl"},
	"golang.org/x/net":                        {"internal/addr", "internal/dmarc"},
	"golang.org/x/sync":                       {"internal/directory", "internal/openid", "internal/roster", "internal/store", "internal/server", "bench/relay"},
	"golang.org/x/sys":                        {"internal/kv/pgkv/pgtest", "internal/service"},
	"golang.org/x/term":                       {"internal/obs", "internal/cli"},
	"golang.org/x/text":                       {"internal/addr", "internal/casemap", "internal/credential", "internal/directory", "internal/message", "internal/store", "test/peers"},
}

// outsideOfTests are the modules that any test may import, in addition.
var outsideOfTests = []string{
	"github.com/cockroachdb/pebble/v2", // its file system that loses power
	"github.com/emersion/go-msgauth",   // what others make of our signatures
	"github.com/pquerna/otp",           // an app that makes one-time codes
	"golang.org/x/tools",               // txtar
	"pgregory.net/rapid",
}

// Nine files in ten and nineteen functions in twenty stay within what a reader
// takes in at once, and none gets out of hand. Tests may be longer.
const (
	usualFile, longestFile         = 400, 700
	usualFunction, longestFunction = 60, 110
)
