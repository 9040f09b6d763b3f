package directory

import (
	"encoding/binary"
	"encoding/json"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// The keys of the shard:
//
//	"d" domain               domainRecord
//	"n" domain 00 local      nameRecord: what an address stands for
//	"a" AccountID (8 bytes)  accountRecord
//	"k" domain 00 selector   keyRecord: a key that the domain signs its mail with
//	"s"                      sequence: the last AccountID given
//	"p"                      expiryRecord: when mail fetched by POP3 expires at the earliest
//	"r"                      rewriteRecord: the secrets of return addresses
//	"c" AccountID (8 bytes)  secretsRecord: what an account proves itself with, but its password's hash
//	"m"                      pepperRecord: the secret of made-up answers
//	"x" AccountID (8 bytes)  a mark: the account has a password without SCRAM keys
//	"x"                      keylessRecord: which accounts have been looked at for that
//	"v" number (8 bytes)     Revocation: whose sessions were ended, of a day
//
// The shard "dir/used" has what changes with logins, so that it makes nobody forget
// what the directory says:
//
//	"u" AccountID credential usedRecord: when a credential was used
//	"o" AccountID            codeRecord: which one-time codes are void
//
// Every value is a version byte and JSON, to which fields can be added.
const (
	domainPrefix  = 'd'
	namePrefix    = 'n'
	accountPrefix = 'a'
	keyPrefix     = 'k'
	sequenceKey   = 's'
	rewriteKey    = 'r'
	expiryKey     = 'p'
	secretsPrefix = 'c'
	pepperKey     = 'm'
	usedPrefix    = 'u'
	codePrefix    = 'o'
	keylessPrefix = 'x'

	revocationPrefix = 'v'
)

// recordVersion is the first byte of every value. A reader that meets a higher one
// is older than the store.
const recordVersion = 1

type domainRecord struct {
	Created  time.Time `json:"created"`
	AliasOf  string    `json:"alias_of,omitempty"`  // the domain whose addresses it has
	CatchAll string    `json:"catch_all,omitempty"` // gets what is for nobody else

	Admins []AccountID   `json:"admins,omitempty"`
	Limits *DomainLimits `json:"limits,omitempty"` // of what these may do
}

// nameRecord is either an account's or an alias's.
type nameRecord struct {
	Account AccountID  `json:"account,omitempty"`
	Alias   []string   `json:"alias,omitempty"`   // the addresses that mail goes to
	Senders Senders    `json:"senders,omitempty"` // who may write to an alias
	Created *time.Time `json:"created,omitempty"`
}

type accountRecord struct {
	Address    string         `json:"address"`
	Credential string         `json:"credential"`         // {SCHEME}hash
	Disabled   bool           `json:"disabled,omitempty"` // StateDisabled, as it was first written
	State      State          `json:"state,omitempty"`
	StateOwn   bool           `json:"state_own,omitempty"` // it was set by an admin of the domain
	Reason     string         `json:"reason,omitempty"`
	Since      time.Time      `json:"since,omitzero"`
	Locked     time.Time      `json:"locked,omitzero"`
	Off        []string       `json:"off,omitempty"`
	Retention  map[string]int `json:"retention,omitempty"`
	Deleted    time.Time      `json:"deleted,omitzero"`
	Removing   bool           `json:"removing,omitempty"` // it cannot be brought back any more
	Created    time.Time      `json:"created"`
	Forward    []string       `json:"forward,omitempty"` // addresses that get a copy of its mail
	NoCopy     bool           `json:"no_copy,omitempty"` // or get it instead
	Language   string         `json:"language,omitempty"`
	POP3       *POP3          `json:"pop3,omitempty"`
	Source     string         `json:"source,omitempty"` // another directory; then the credential is nobody's
}

type sequenceRecord struct {
	Last AccountID `json:"last"`
}

// rewriteRecord has the newest secret first.
type rewriteRecord struct {
	Secrets []rewriteSecret `json:"secrets"`
}

type rewriteSecret struct {
	Key     []byte    `json:"key"`
	Created time.Time `json:"created"`
}

func domainKey(domain string) []byte { return append([]byte{domainPrefix}, domain...) }

// namesKey begins the keys of all addresses in a domain.
func namesKey(domain string) []byte {
	return append(append([]byte{namePrefix}, domain...), 0)
}

func nameKey(a addr.Address) []byte { return append(namesKey(a.Domain), a.Local...) }

// addressOfKey is the address of a nameKey.
func addressOfKey(key []byte) addr.Address {
	for i, c := range key {
		if c == 0 {
			return addr.Address{Local: string(key[i+1:]), Domain: string(key[1:i])}
		}
	}
	return addr.Address{}
}

func accountKey(id AccountID) []byte {
	return binary.BigEndian.AppendUint64([]byte{accountPrefix}, uint64(id))
}

func put(w kv.Writer, key []byte, record any) error {
	text, err := json.Marshal(record)
	if err != nil {
		return fault.New(fault.Internal, "directory: %w", err)
	}
	return w.Put(key, append([]byte{recordVersion}, text...))
}

// get reads a record; ok is false if there is none.
func get[T any](r kv.Reader, key []byte) (record T, ok bool, err error) {
	value, ok, err := r.Get(key)
	if err != nil || !ok {
		return record, false, err
	}
	record, err = decode[T](key, value)
	return record, err == nil, err
}

func decode[T any](key, value []byte) (record T, err error) {
	switch {
	case len(value) == 0:
		return record, fault.New(fault.Corrupt, "directory: record %q is empty", key)
	case value[0] > recordVersion:
		return record, fault.New(fault.Unsupported, "directory: record %q was written by a newer posthorn (format %d)", key, value[0])
	}
	if err := json.Unmarshal(value[1:], &record); err != nil {
		return record, fault.New(fault.Corrupt, "directory: record %q: %w", key, err)
	}
	return record, nil
}

// scan calls fn with every record in a range; the first error ends it.
func scan[T any](r kv.Reader, within kv.Range, fn func(key []byte, record T) error) error {
	var failed error
	err := r.Scan(within, func(key, value []byte) bool {
		record, err := decode[T](key, value)
		if err == nil {
			err = fn(key, record)
		}
		failed = err
		return err == nil
	})
	if failed != nil {
		return failed
	}
	return err
}
