package config

import (
	"slices"
	"strings"
)

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
	return arrayOf(array{
		name: "quirk", after: "abuse",
		doc: "IMAP extensions that some do without, or have besides: one table for each client that trips over something. Without client and account it is for everybody. doc/clients.md knows some.",
	}, &c.Quirks, empty, (*Quirk).fields)
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

// extensions are the names that a quirk may have, as CAPABILITY tells them, without what
// follows a last "=" there: those of package imapd, whose tests compare.
const extensions = "ACL APPENDLIMIT BINARY CATENATE CHILDREN COMPRESS=DEFLATE CONDSTORE CONTEXT=SEARCH CONTEXT=SORT " +
	"CREATE-SPECIAL-USE ENABLE ESEARCH ESORT FILTERS I18NLEVEL=2 ID IDLE INPROGRESS LANGUAGE LIST-EXTENDED LIST-METADATA " +
	"LIST-MYRIGHTS LIST-STATUS LITERAL+ LITERAL- LOGIN-REFERRALS MESSAGELIMIT METADATA METADATA-SERVER MOVE MULTIAPPEND MULTISEARCH " +
	"NAMESPACE NOTIFY OBJECTID PARTIAL PREVIEW QRESYNC QUOTA QUOTA=RES-ANNOTATION-STORAGE QUOTA=RES-MAILBOX " +
	"QUOTA=RES-MESSAGE QUOTA=RES-STORAGE QUOTASET REPLACE RIGHTS=kxte SASL-IR SAVEDATE SAVELIMIT SEARCH=FUZZY SEARCHRES " +
	"SORT SORT=DISPLAY SPECIAL-USE STATUS=SIZE THREAD=ORDEREDSUBJECT THREAD=REFERENCES THREAD=REFS UIDBATCHES UIDONLY " +
	"UIDPLUS UNAUTHENTICATE UNSELECT URL-PARTIAL URLAUTH URLAUTH=BINARY UTF8=ACCEPT WITHIN"

// Extensions gives the names of the extensions of IMAP that a Quirk may withhold.
func Extensions() []string { return strings.Fields(extensions) }

// capabilities is a list of names of IMAP extensions.
func capabilities(p *[]string) value {
	return filled(list(p, `a list of IMAP extensions; want ["COMPRESS=DEFLATE", "NOTIFY"]`, func(v any) (string, error) {
		s, _ := v.(string)
		known := slices.ContainsFunc(Extensions(), func(name string) bool { return strings.EqualFold(s, name) })
		if !known {
			return "", wantError(v, "an extension of IMAP that can be withheld; "+oneOf(Extensions()))
		}
		return s, nil
	}, same))
}
