package directory

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"posthorn/internal/credential"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// pepperRecord is what the directory makes answers up from for those who are not
// there; app passwords are hashed with it, too.
type pepperRecord struct {
	Secret []byte `json:"secret"`
	Key    string `json:"key,omitempty"` // name of the key that secrets are sealed with
	// Replaced says that there was another key, with which some may still be sealed.
	Replaced bool `json:"replaced,omitempty"`
}

// loadPepper gives the secret, and makes it when there is none.
func (d *Directory) loadPepper(ctx context.Context) ([]byte, error) {
	if secret := d.pepper.Load(); secret != nil {
		return *secret, nil
	}
	rec, err := d.readPepper(ctx)
	if err == nil && rec.Secret == nil {
		fresh := make([]byte, secretSize)
		rand.Read(fresh) // never fails
		rec, err = d.changePepper(ctx, func(rec *pepperRecord) {
			if rec.Secret == nil {
				rec.Secret = fresh
			}
		})
	}
	if err != nil {
		return nil, err
	}
	d.pepper.Store(&rec.Secret) // it never changes
	return rec.Secret, nil
}

func (d *Directory) readPepper(ctx context.Context) (rec pepperRecord, err error) {
	err = d.view(ctx, func(r kv.Reader) (err error) {
		rec, _, err = get[pepperRecord](r, []byte{pepperKey})
		return err
	})
	return rec, err
}

func (d *Directory) changePepper(ctx context.Context, fn func(*pepperRecord)) (rec pepperRecord, err error) {
	err = d.update(ctx, func(w kv.Writer) (err error) {
		if rec, _, err = get[pepperRecord](w, []byte{pepperKey}); err != nil {
			return err
		}
		fn(&rec)
		return put(w, []byte{pepperKey}, rec)
	})
	return rec, err
}

// sealer has the box of the key in a file. The store knows the key's name, so that a
// store which came without its key, or to a node that has another, is not
// given a second one by accident.
type sealer struct {
	file string
	warn sync.Once // about its loss

	mu  sync.Mutex
	box *credential.Box
}

// box gives the box that secrets are sealed in. With fresh, a key is made if there has
// never been one. Kinds of errors: NotFound, if there has been none; Unavailable, when
// there is another one than the store's, or none any more.
func (d *Directory) box(ctx context.Context, fresh bool) (*credential.Box, error) {
	s := &d.seal
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.box != nil {
		return s.box, nil
	}
	rec, err := d.readPepper(ctx)
	if err != nil {
		return nil, err
	}
	key, err := s.key(rec.Key, fresh)
	if err != nil {
		return nil, err
	}
	box, err := credential.NewBox(key)
	if err != nil {
		return nil, fault.New(fault.Corrupt, "%s: %w", s.file, err)
	}
	if rec.Key == "" && fresh {
		if rec, err = d.changePepper(ctx, func(rec *pepperRecord) {
			if rec.Key == "" {
				rec.Key = box.ID()
			}
		}); err != nil {
			return nil, err
		}
	}
	if rec.Key != box.ID() {
		return nil, s.lost(rec.Key)
	}
	s.box = box
	return box, nil
}

// key reads the key, or makes it, unless the store names one.
func (s *sealer) key(named string, fresh bool) ([]byte, error) {
	key, err := s.read()
	switch {
	case err == nil || !errors.Is(err, fs.ErrNotExist):
		return key, err
	case named != "":
		return nil, s.lost(named)
	case !fresh:
		return nil, fault.New(fault.NotFound, "directory: nothing has been sealed yet")
	}
	return s.create()
}

// lost is the error that the key of the store's secrets is not there.
func (s *sealer) lost(name string) error {
	return fault.New(fault.Unavailable, "key %s, with which secrets of accounts are sealed, is not in %s; bring that file back from a backup or from "+
		"another node. If it is lost, run: posthorn account forget-secrets; then one-time codes have to be set up anew, and SCRAM, CRAM-MD5 and APOP work after the next login with a password in plain", name, s.file)
}

func (s *sealer) read() ([]byte, error) {
	if s.file == "" {
		return nil, fs.ErrNotExist
	}
	text, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, fault.New(fault.Unavailable, "the key of sealed secrets: %w", err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fault.New(fault.Corrupt, "%s: want a key in base64", s.file) // err would tell of it
	}
	return key, nil
}

// create makes the file, whole and durable or not at all; somebody else's is kept.
func (s *sealer) create() ([]byte, error) {
	key := make([]byte, credential.KeyBytes)
	rand.Read(key) // never fails
	if s.file == "" {
		return key, nil
	}
	if err := writeOnce(s.file, base64.StdEncoding.EncodeToString(key)+"\n"); err != nil {
		return nil, fault.New(fault.Unavailable, "the key of sealed secrets: %w", err)
	}
	return s.read()
}

// writeOnce makes a file that only its owner reads, unless it is there.
func writeOnce(name, text string) error {
	temp, err := os.CreateTemp(filepath.Dir(name), ".key-*") // has mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.WriteString(text)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Link(temp.Name(), name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// ForgetSecrets gives up what was sealed with a key that is lost. What is sealed from
// then on is so with the key in the file, or with a new one. SCRAM, CRAM-MD5
// and APOP work again for whoever has logged in once with his password in plain.
func (d *Directory) ForgetSecrets(ctx context.Context) error {
	d.seal.mu.Lock()
	defer d.seal.mu.Unlock()
	_, err := d.changePepper(ctx, func(rec *pepperRecord) { rec.Key, rec.Replaced = "", rec.Replaced || rec.Key != "" })
	if err == nil {
		d.seal.box = nil
	}
	return err
}
