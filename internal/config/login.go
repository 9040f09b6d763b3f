package config

import (
	"slices"
	"strconv"
	"strings"
)

// OpenID is the provider whose tokens users can log in with.
type OpenID struct {
	Issuer           string // URL; "": there is none
	Audience         string
	Scope            string
	Claim            string
	Introspect       bool
	ClientID         string
	ClientSecretFile string
	CA               string // PEM file of who vouches for it; "": whom the system trusts
	Provision        bool   // make accounts
}

// CertificateUser is whom a client's certificate stands for.
type CertificateUser struct {
	Subject string // "CN=laptop,O=Example"; "": Fingerprint says which it is
	SHA256  string // of the certificate, 64 hexadecimal digits
	Account string
}

// mechanisms are the names that a listener may have or not, those of package login, whose
// tests compare.
const mechanisms = "PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS SCRAM-SHA-1 SCRAM-SHA-1-PLUS OAUTHBEARER XOAUTH2 EXTERNAL CRAM-MD5 APOP"

// Mechanisms gives the names of the ways to log in.
func Mechanisms() []string { return strings.Fields(mechanisms) }

// mechanismList is a list of them, in capitals.
func mechanismList(p *[]string) value {
	return filled(list(p, `a list of mechanisms; want ["PLAIN", "SCRAM-SHA-256"]`, func(v any) (string, error) {
		s, _ := v.(string)
		if name := strings.ToUpper(s); slices.Contains(Mechanisms(), name) {
			return name, nil
		}
		return "", wantError(v, "a mechanism; "+oneOf(Mechanisms()))
	}, same))
}

// openID is the table about the provider.
func (c *Config) openID() table {
	o := &c.OpenID
	return table{"openid", "Users can log in with tokens of this OpenID provider (OAUTHBEARER, XOAUTH2).", []field{
		{
			name: "issuer", value: text(&o.Issuer, isIssuer), example: `"https://id.example.test/realms/mail"`,
			doc: "The provider's URL, as in the tokens' iss. Without it tokens are not taken.",
		},
		{name: "audience", value: text(&o.Audience), example: `"mail"`, doc: "Whom tokens must be for (aud). Tokens for others are good for others only."},
		{name: "scope", value: text(&o.Scope), example: `"mail"`, doc: "The scope that tokens must have, if any."},
		{name: "claim", value: text(&o.Claim), example: `"email"`, doc: "The claim that has the account's address; email if nothing is said."},
		{
			name: "introspect", value: boolean(&o.Introspect),
			doc: "Show each token to the provider (RFC 7662), for tokens that are not signed JWTs, or to notice at once when they are revoked. Needs client_id and client_secret_file.",
		},
		{name: "client_id", value: text(&o.ClientID), example: `"mail-server"`, doc: "Who asks."},
		{name: "client_secret_file", value: path(&o.ClientSecretFile), example: `"openid.secret"`, doc: "File whose first line is the secret. It is read again on SIGHUP."},
		{name: "ca", value: path(&o.CA), example: `"id-ca.pem"`, doc: "PEM file of the authorities that vouch for the provider. Without it, those of the system."},
		{
			name: "provision", value: boolean(&o.Provision),
			doc: "Make an account at their first login for those whom the provider vouches for, if their address is in a domain of ours. They get no mail before.",
		},
	}}
}

func isIssuer(s string) error {
	if isHTTPS(s) != nil {
		return wantError(s, `an https URL; want something like "https://id.example.test"`)
	}
	return nil
}

// certificateUsers are the tables about whom certificates stand for.
func (c *Config) certificateUsers() array {
	return arrayOf(array{
		name: "certificate_user", after: "openid",
		doc: "Whose a client's certificate is: one table for each. Those that are not here are whose address is in them (rfc822Name).",
	}, &c.CertificateUsers, empty, (*CertificateUser).fields)
}

// fields are the keys of a [[certificate_user]].
func (u *CertificateUser) fields() []field {
	return []field{
		{name: "subject", value: text(&u.Subject), example: `"CN=laptop,O=Example"`, doc: "The certificate's subject, as openssl x509 -subject -nameopt rfc2253 shows it."},
		{name: "sha256", value: fingerprint(&u.SHA256), example: `"5e88…"`, doc: "Or its SHA-256 fingerprint: 64 hexadecimal digits, with or without colons."},
		{name: "account", required: true, value: text(&u.Account, isAddress), example: `"alice@example.test"`, doc: "The address of the account."},
	}
}

// fingerprint is SHA-256 in hexadecimal digits, kept in lower case without colons.
func fingerprint(p *string) value {
	v := text(p, func(s string) error {
		digits := strings.ToLower(strings.ReplaceAll(s, ":", ""))
		if len(digits) != 64 || strings.Trim(digits, "0123456789abcdef") != "" {
			return wantError(s, "a fingerprint; want 64 hexadecimal digits")
		}
		return nil
	})
	read := v.read
	v.read = func(raw any, dir string) error {
		err := read(raw, dir)
		*p = strings.ToLower(strings.ReplaceAll(*p, ":", ""))
		return err
	}
	return v
}

// login checks what has to do with logging in.
func (r *reader) login(c *Config) {
	for i, l := range c.Listeners {
		path := "listener." + strconv.Itoa(i)
		for key, names := range map[string][]string{"mechanisms": l.Mechanisms, "without_mechanisms": l.WithoutMechanisms} {
			if len(names) > 0 && !l.Protocol.LogsIn() {
				r.problem(path+"."+key, "is for listeners where users log in, not for %q", l.Protocol)
			}
		}
		if len(l.Mechanisms) > 0 && len(l.WithoutMechanisms) > 0 {
			r.problem(path+".without_mechanisms", "makes no sense beside mechanisms, which names all that there are")
		}
	}
	for i, u := range c.CertificateUsers {
		if (u.Subject == "") == (u.SHA256 == "") {
			r.problem("certificate_user."+strconv.Itoa(i)+".account", "needs a certificate: one of subject and sha256")
		}
	}
	switch o := c.OpenID; {
	case o.Issuer == "":
		if o.Audience != "" || o.Introspect || o.ClientID != "" {
			r.problem("openid.issuer", `is missing; want something like "https://id.example.test"`)
		}
	case o.Introspect && (o.ClientID == "" || o.ClientSecretFile == ""):
		r.problem("openid.introspect", "needs client_id and client_secret_file")
	case !o.Introspect && o.Audience == "":
		r.problem("openid.issuer", "needs an audience: without one, a token that was given to any other program would be good here")
	}
}
