package config

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Directory is another directory with accounts.
type Directory struct {
	Name         string
	Type         DirectoryType
	Domains      []string // that it is asked about; none: all of ours
	Remember     time.Duration
	Timeout      time.Duration
	Connections  int
	PasswordFile string
	CA           string // PEM file of who vouches for the servers; "": whom the system trusts

	// Of LDAP.
	Servers           []string // URLs
	StartTLS          bool
	BindDN            string
	Base              string
	Filter            string
	PasswordAttribute string

	// Of SQL.
	DSN        string
	File       string // of SQLite
	Query      string
	Parameters []string
}

// DirectoryType is how a directory is asked.
type DirectoryType string

// The types.
const (
	LDAP     DirectoryType = "ldap"
	InPG     DirectoryType = "postgres"
	InMySQL  DirectoryType = "mysql"
	InSQLite DirectoryType = "sqlite"
)

func defaultDirectory() Directory {
	return Directory{Remember: 5 * time.Minute, Timeout: 5 * time.Second, Connections: 8, StartTLS: true, Parameters: []string{"address"}}
}

// directories are the tables about where else accounts are.
func (c *Config) directories() array {
	return arrayOf(array{
		name: "directory", after: "openid",
		doc: "Who is not among the accounts here may be in another directory: one table for each, asked in this order. The domains must be ours.",
	}, &c.Directories, defaultDirectory, (*Directory).fields)
}

// fields are the keys of a [[directory]].
func (d *Directory) fields() []field {
	return []field{
		{
			name: "name", required: true, value: word(&d.Name, `a name; want something like "corp"`), example: `"corp"`,
			doc: "What posthorn account show calls it.",
		},
		{
			name: "type", required: true, value: choice("a type of directory", &d.Type, []DirectoryType{LDAP, InPG, InMySQL, InSQLite}, nil), example: `"ldap"`,
			doc: "ldap: OpenLDAP, Active Directory and the like. postgres, mysql (MariaDB, too), sqlite: a database.",
		},
		{name: "domains", value: hostnames(&d.Domains), example: `["example.test"]`, doc: "It is asked about addresses in these only. Without this key, about all of ours."},
		{
			name: "remember", value: duration(&d.Remember, time.Second, 24*time.Hour),
			doc: "How long its answers are good: that somebody is there, that a password is right. Who is disabled there is out after this time.",
		},
		{name: "timeout", value: duration(&d.Timeout, time.Second, time.Minute), doc: "How long to wait for an answer."},
		{name: "connections", value: connections(&d.Connections), doc: "Most at a time. For ldap, as many again to try passwords."},
		{name: "password_file", value: path(&d.PasswordFile), example: `"corp.password"`, doc: "File whose first line is the password that goes with bind_dn, or in dsn. It is read again on SIGHUP."},
		{name: "ca", value: path(&d.CA), example: `"corp-ca.pem"`, doc: "For ldap and mysql: PEM file of the authorities that vouch for the servers. Without it, those of the system (mysql: as dsn says)."},
		{
			name: "servers", value: list(&d.Servers, `a list of servers; want ["ldaps://ldap.example.test"]`, ldapURL, same), example: `["ldaps://ldap1.example.test", "ldap://ldap2.example.test"]`,
			doc: "For ldap: URLs, the preferred first; ldap:, ldaps: or ldapi:.",
		},
		{name: "starttls", value: boolean(&d.StartTLS), doc: "Use TLS with servers ldap:, too. Without it passwords travel in clear; for closed networks only."},
		{name: "bind_dn", value: text(&d.BindDN), example: `"cn=posthorn,ou=services,dc=example,dc=test"`, doc: "Who searches. Without it, nobody in particular."},
		{name: "base", value: text(&d.Base), example: `"ou=people,dc=example,dc=test"`, doc: "Below which entry people are searched for."},
		{
			name: "filter", value: text(&d.Filter, isFilter), example: `"(&(objectClass=inetOrgPerson)(mail=%u))"`,
			doc: "Who has an address: %u is the address, %n what is before the @, %d the domain. It must find one entry at most.",
		},
		{
			name: "password_attribute", value: text(&d.PasswordAttribute), example: `"userPassword"`,
			doc: "The attribute with the {SCHEME}hash of the password. Without it, a password is tried by binding as its user.",
		},
		{name: "dsn", value: text(&d.DSN), example: `"postgres://posthorn@db.example.test/people"`, doc: `For postgres and mysql: how to reach the server. For mysql like "posthorn@tcp(db.example.test:3306)/people".`},
		{name: "file", value: path(&d.File), example: `"/var/lib/people.db"`, doc: "For sqlite: the file, which is only read."},
		{
			name: "query", value: text(&d.Query), example: `"SELECT password FROM people WHERE address = $1 AND active"`,
			doc: "For databases: gives one row with the {SCHEME}hash of the password, or none. Placeholders are $1 for postgres, ? for the others.",
		},
		{
			name: "parameters", value: list(&d.Parameters, `a list of parameters; want ["address"]`, parameter, same),
			doc: "What the placeholders stand for, in order: address, local (before the @), domain.",
		},
	}
}

func parameter(v any) (string, error) {
	s, _ := v.(string)
	if s != "address" && s != "local" && s != "domain" {
		return "", wantError(v, "a parameter; "+oneOf([]string{"address", "local", "domain"}))
	}
	return s, nil
}

func ldapURL(v any) (string, error) {
	s, _ := v.(string)
	u, err := url.Parse(s)
	good := err == nil && (u.Scheme == "ldap" || u.Scheme == "ldaps") && u.Host != "" && strings.Trim(u.Path, "/") == "" ||
		err == nil && u.Scheme == "ldapi" && u.Host == "" && strings.HasPrefix(u.Path, "/")
	if !good {
		return "", wantError(v, `a server of LDAP; want "ldaps://ldap.example.test", "ldap://192.0.2.1:389" or "ldapi:///run/slapd/ldapi"`)
	}
	return s, nil
}

// isFilter says what can be seen to be wrong with a filter without knowing LDAP.
func isFilter(s string) error {
	switch {
	case !strings.HasPrefix(s, "(") || strings.Count(s, "(") != strings.Count(s, ")"):
		return fmt.Errorf(`%q has a bracket too many or too few; want something like "(mail=%%u)"`, s)
	case !strings.Contains(s, "%u") && !strings.Contains(s, "%n"):
		return fmt.Errorf(`%q would find everybody; want %%u for the address in it, or %%n for what is before the @`, s)
	}
	return nil
}

// directories checks what has to do with other directories.
func (r *reader) directories(c *Config) {
	names := map[string]bool{}
	for i := range c.Directories {
		d, path := &c.Directories[i], "directory."+strconv.Itoa(i)
		switch {
		case names[d.Name]:
			r.problem(path+".name", "%q is the name of another directory already", d.Name)
		case d.Name == "openid":
			r.problem(path+".name", `%q is for those whom the provider of [openid] knows`, d.Name)
		}
		names[d.Name] = true
		r.directory(path, d)
	}
}

// directory wants what its type needs, and nothing that is for another one.
func (r *reader) directory(path string, d *Directory) {
	ldap, sql := []DirectoryType{LDAP}, []DirectoryType{InPG, InMySQL, InSQLite}
	for _, key := range []struct {
		name    string
		there   bool
		types   []DirectoryType
		needed  bool
		example string
	}{
		{"servers", len(d.Servers) > 0, ldap, true, `["ldaps://ldap.example.test"]`},
		{"base", d.Base != "", ldap, true, `"ou=people,dc=example,dc=test"`},
		{"filter", d.Filter != "", ldap, true, `"(mail=%u)"`},
		{"bind_dn", d.BindDN != "", ldap, false, ""},
		{"password_attribute", d.PasswordAttribute != "", ldap, false, ""},
		{"query", d.Query != "", sql, true, `"SELECT password FROM people WHERE address = ?"`},
		{"dsn", d.DSN != "", sql[:2], true, `"postgres://posthorn@db.example.test/people"`},
		{"file", d.File != "", sql[2:], true, `"/var/lib/people.db"`},
		{"ca", d.CA != "", []DirectoryType{LDAP, InMySQL}, false, ""},
		{"password_file", d.PasswordFile != "", []DirectoryType{LDAP, InPG, InMySQL}, false, ""},
	} {
		fits := false
		for _, t := range key.types {
			fits = fits || t == d.Type
		}
		switch {
		case fits && key.needed && !key.there:
			r.problem(path+"."+key.name, "is missing; type %q wants something like %s = %s", d.Type, key.name, key.example)
		case !fits && key.there:
			r.problem(path+"."+key.name, "is not for type %q", d.Type)
		}
	}
	if d.Type == LDAP && (d.BindDN == "") != (d.PasswordFile == "") {
		r.problem(path+".bind_dn", "and password_file go together; want both or neither")
	}
	if d.Type != LDAP && d.Query != "" && len(d.Parameters) == 0 {
		r.problem(path+".parameters", "is empty; the query would be the same for everybody")
	}
	if d.Type == InSQLite || d.Type == InMySQL {
		if n := strings.Count(d.Query, "?"); d.Query != "" && n != len(d.Parameters) {
			r.problem(path+".parameters", "are %d, but the query has %d placeholders ?", len(d.Parameters), n)
		}
	}
}
