package directory

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/credential"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// secretsRecord is what an account proves itself with, besides the hash of its
// password. All its SCRAM keys have one salt and cost, because a client is told these
// before anybody knows which of its passwords it has.
type secretsRecord struct {
	Salt       []byte        `json:"salt"`
	Iterations int           `json:"iterations"`
	Password   *sealedRecord `json:"password,omitempty"`
	Shared     bool          `json:"shared,omitempty"` // the password itself is kept, for CRAM-MD5 and APOP
	Apps       []appRecord   `json:"apps,omitempty"`
	TOTP       *totpRecord   `json:"totp,omitempty"`
}

// sealedRecord is what was derived from a password, sealed.
type sealedRecord struct {
	For  []byte `json:"for,omitempty"` // fingerprint of the password's hash; with another one it is void
	Text []byte `json:"text"`
	Key  string `json:"key,omitempty"` // name of the key; "": of the first one
}

type appRecord struct {
	ID      string        `json:"id"`
	Name    string        `json:"name"`
	Scope   []string      `json:"scope,omitempty"` // protocols; none: all
	Hash    []byte        `json:"hash"`
	Keys    *sealedRecord `json:"keys,omitempty"`
	Shared  bool          `json:"shared,omitempty"` // it can be read from Keys
	Created time.Time     `json:"created"`
	Expires time.Time     `json:"expires,omitzero"`
}

// derived is what a sealedRecord has inside.
type derived struct {
	Forms []scramKeys `json:"forms"`          // one for each form that clients may use
	Text  string      `json:"text,omitempty"` // the password, for CRAM-MD5 and APOP
}

type scramKeys struct {
	SHA1   credential.ScramKey `json:"sha1"`
	SHA256 credential.ScramKey `json:"sha256"`
}

func (k *scramKeys) of(hash credential.ScramHash) credential.ScramKey {
	if hash == credential.ScramSHA1 {
		return k.SHA1
	}
	return k.SHA256
}

func secretsKey(id AccountID) []byte {
	return binary.BigEndian.AppendUint64([]byte{secretsPrefix}, uint64(id))
}

// fingerprint tells hashes of passwords apart.
func fingerprint(hash string) []byte {
	sum := sha256.Sum256([]byte(hash))
	return sum[:16]
}

// made makes an answer up that is always the same.
func made(pepper []byte, what, name string) []byte {
	mac := hmac.New(sha256.New, pepper)
	mac.Write([]byte(what + "\x00" + name))
	return mac.Sum(nil)
}

// freshSecrets are those of an account that has none, or of nobody: one cannot be told
// from the other by them.
func freshSecrets(pepper []byte, name string) *secretsRecord {
	return &secretsRecord{Salt: made(pepper, "salt", name)[:16], Iterations: credential.ScramIterations}
}

// readSecrets reads an account's secrets, or makes fresh ones.
func readSecrets(r kv.Reader, pepper []byte, a *Account) (*secretsRecord, error) {
	rec, ok, err := get[secretsRecord](r, secretsKey(a.ID))
	if err != nil {
		return nil, err
	}
	if !ok {
		return freshSecrets(pepper, a.Address.String()), nil
	}
	return &rec, nil
}

// secretsOf gives an account's secrets, which must not be modified.
func (d *Directory) secretsOf(ctx context.Context, pepper []byte, a *Account) (*secretsRecord, error) {
	rec, generation, ok := d.kept.get(a.ID)
	if ok {
		return rec, nil
	}
	err := d.view(ctx, func(r kv.Reader) (err error) {
		rec, err = readSecrets(r, pepper, a)
		return err
	})
	if err == nil {
		d.kept.put(a.ID, rec, generation)
	}
	return rec, err
}

// changeSecrets reads an account and its secrets, lets fn change them, and writes both
// back. fn may be called several times.
func (d *Directory) changeSecrets(ctx context.Context, address addr.Address, fn func(*Account, *secretsRecord) error) error {
	pepper, err := d.loadPepper(ctx)
	if err != nil {
		return err
	}
	address, err = canonical(address)
	if err != nil {
		return err
	}
	return d.update(ctx, func(w kv.Writer) error {
		account, err := findAccount(w, address)
		if err != nil {
			return err
		}
		rec, err := readSecrets(w, pepper, &account)
		if err != nil {
			return err
		}
		before := *rec
		if before.TOTP != nil {
			codes := *rec.TOTP
			before.TOTP = &codes
		}
		if err := fn(&account, rec); err != nil {
			return err
		}
		if err := d.revoke(w, lostSecrets(account.Address.String(), &before, rec)...); err != nil {
			return err
		}
		if err := put(w, secretsKey(account.ID), rec); err != nil {
			return err
		}
		return d.putAccount(w, account)
	})
}

// derive makes the SCRAM keys of a password in some forms.
func (rec *secretsRecord) derive(forms []string) (*derived, error) {
	made := &derived{}
	for _, form := range forms {
		var keys scramKeys
		var err error
		if keys.SHA1, err = credential.ScramSHA1.Key(form, rec.Salt, rec.Iterations); err != nil {
			return nil, err
		}
		if keys.SHA256, err = credential.ScramSHA256.Key(form, rec.Salt, rec.Iterations); err != nil {
			return nil, err
		}
		made.Forms = append(made.Forms, keys)
	}
	return made, nil
}

// purposeOf says what is sealed, so that it cannot be moved to another account.
func purposeOf(id AccountID, what string) string { return fmt.Sprintf("account %d: %s", id, what) }

const passwordPurpose = "password"

func seal(box *credential.Box, id AccountID, what string, content *derived) (*sealedRecord, error) {
	text, err := json.Marshal(content)
	if err != nil {
		return nil, fault.New(fault.Internal, "directory: %w", err)
	}
	return &sealedRecord{Text: box.Seal(text, purposeOf(id, what)), Key: box.ID()}, nil
}

// open reads what is sealed; nil if nothing is, or not with this key.
func (s *sealedRecord) open(box *credential.Box, id AccountID, what string) *derived {
	if s == nil || box == nil {
		return nil
	}
	text, err := box.Open(s.Text, purposeOf(id, what))
	if err != nil {
		return nil
	}
	content := &derived{}
	if json.Unmarshal(text, content) != nil {
		return nil
	}
	return content
}

// ofPassword says whether what is sealed was derived from the password with this hash.
func (s *sealedRecord) ofPassword(hash string) bool {
	return s != nil && hmac.Equal(s.For, fingerprint(hash))
}
