package directory

import (
	"context"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// POP3 says what POP3 clients see of an account's mail, and what becomes of it. The
// zero value shows INBOX, and deletes what a client deletes.
type POP3 struct {
	Folder string `json:"folder,omitempty"` // is shown instead of INBOX
	Unread bool   `json:"unread,omitempty"` // only what nobody has read is shown
	Mark   bool   `json:"mark,omitempty"`   // what a client has fetched counts as read
	Trash  bool   `json:"trash,omitempty"`  // what a client deletes goes to Trash
	// Expire is after how many days fetched mail is deleted; 0: as the server has it for
	// everybody; Never.
	Expire int `json:"expire,omitempty"`
}

// Never is how long mail is kept that does not expire.
const Never = -1

// maxExpire is ten years.
const maxExpire = 3650

// expiryRecord is the shortest time after which mail of any account expires.
type expiryRecord struct {
	Days int `json:"days"` // 0: of no account
}

// SetPOP3 changes how an account's mail is seen by POP3. fn gets what is set, to change
// it. Kinds of errors: Invalid, NotFound.
func (d *Directory) SetPOP3(ctx context.Context, address addr.Address, fn func(*POP3)) (Account, error) {
	address, err := canonical(address)
	if err != nil {
		return Account{}, err
	}
	var account Account
	err = d.update(ctx, func(w kv.Writer) (err error) {
		if account, err = findAccount(w, address); err != nil {
			return err
		}
		fn(&account.POP3)
		if err := account.POP3.check(); err != nil {
			return err
		}
		if err := d.putAccount(w, account); err != nil {
			return err
		}
		return noteExpiry(w)
	})
	return account, err
}

func (p *POP3) check() error {
	if p.Expire < Never || p.Expire > maxExpire {
		return fault.New(fault.Invalid, "mail cannot expire after %d days; want 1 to %d, or never", p.Expire, maxExpire)
	}
	return nil
}

// noteExpiry finds the shortest expiry of all accounts. Settings are rare, and what
// is asked of each client that comes must not look through all accounts.
func noteExpiry(w kv.Writer) error {
	var shortest expiryRecord
	err := scanAccounts(w, func(a Account) bool {
		if e := a.POP3.Expire; e > 0 && (shortest.Days == 0 || e < shortest.Days) {
			shortest.Days = e
		}
		return true
	})
	if err != nil {
		return err
	}
	return put(w, []byte{expiryKey}, shortest)
}

// ShortestExpiry is the fewest days after which mail of any account that has a setting
// of its own expires; 0: there is none. It may be of an account that has been deleted.
func (d *Directory) ShortestExpiry(ctx context.Context) (days int, err error) {
	days, generation, ok := d.expiry.get(struct{}{})
	if ok {
		return days, nil
	}
	err = d.view(ctx, func(r kv.Reader) error {
		rec, _, err := get[expiryRecord](r, []byte{expiryKey})
		days = rec.Days
		return err
	})
	if err == nil {
		d.expiry.put(struct{}{}, days, generation)
	}
	return days, err
}
