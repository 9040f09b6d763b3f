// Package directory owns who is served here: domains with the keys that they sign
// with, accounts with their credentials, and aliases. It answers three questions, each a thousand times a
// second: is this domain ours, who gets mail for this address, is this password
// right.
//
// It never sees a mailbox or a message: an account is a number (AccountID) that the
// store knows, too. A number is given once and never again, so that a new account
// cannot inherit the mail of a deleted one.
//
// Everything is in the one shard "dir" (see record.go for the keys). An address
// names an account or an alias, never both, because both live under the same key.
// Local parts of our own addresses are compared without regard to case, domains in
// their canonical form. All that is kept is kept under the address in its own domain; an
// alias of a domain has no addresses, only other spellings of them (home, in expand.go).
//
// What an account proves itself with (package credential) is hashed, or sealed with
// a key that lies outside of the store (seal.go): SCRAM keys and, of accounts that
// want CRAM-MD5 or APOP, the password. These belong to one hash of a password and
// are worth nothing beside another one.
//
// The flow of a question: memo (what was answered lately; forgotten as a whole when
// the shard changes, here or on another node) -> one View -> memo. A password
// takes two more steps: proven (a keyed digest says that this very password matched
// this very credential lately) or a slot for hashing, of which there are few.
// Who is logged in is not asked again; what takes that away from him leaves a revocation,
// which all nodes follow (revocation.go).
// Who is not in our own directory may be in another one: source.go, adopt.go.
package directory

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/text/unicode/norm"

	"posthorn/internal/addr"
	"posthorn/internal/credential"
	"posthorn/internal/dkim"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// shard holds the whole directory.
const shard kv.Shard = "dir"

// AccountID is an account's number; the store files its mail under it.
type AccountID uint64

// Options tune a Directory. The zero value is right for a server.
type Options struct {
	Clock     func() time.Time // default: time.Now
	Logger    *slog.Logger     // default: discards
	Hash      HashParams       // of new passwords; default: credential.DefaultCost
	MaxHashes int              // passwords hashed at a time; default: one for each processor, 2 to 4
	MaxWait   time.Duration    // for a turn at hashing; default: 15 s
	// KeyFile has the key of what is sealed. It is made when something has to be. "": a
	// key that nobody keeps, for tests.
	KeyFile string
}

// HashParams are the cost of hashing a password.
type HashParams = credential.Cost

// Directory answers questions about domains, accounts and aliases, and changes
// them. All methods may be called from any goroutine.
type Directory struct {
	engine  kv.Engine
	clock   func() time.Time
	log     *slog.Logger
	hash    HashParams
	slots   chan struct{} // a token for each password being hashed
	maxWait time.Duration

	seal   sealer
	pepper atomic.Pointer[[]byte] // see loadPepper
	worked func(work string)      // told of each costly step, by tests; nil: nobody is

	proven      *provenSet
	uses        *useSet
	flight      singleflight.Group // by digest: the same password is hashed once
	resolved    *memo[addr.Address, Resolution]
	domains     *memo[string, bool] // whether they are ours, by canonical name
	accounts    *memo[addr.Address, Account]
	kept        *memo[AccountID, *secretsRecord]
	strangers   *memo[string, candidate]  // who is not there, by the name that was tried
	signing     *memo[string, []dkim.Key] // by domain
	rewriters   *memo[struct{}, rewriter]
	expiry      *memo[struct{}, int]
	scramForAll *memo[struct{}, bool]
	admins      *memo[struct{}, map[AccountID][]string] // the domains that accounts administer
	others      atomic.Pointer[[]*Other]
	asking      singleflight.Group         // by address
	places      *memo[addr.Address, place] // where somebody was found; not for as long as nothing changes, but for a time
	borrowed    *provenSet                 // passwords that others have found right
	stopWatch   func()
}

// New makes a Directory on an engine, which stays the caller's to close.
func New(engine kv.Engine, o Options) *Directory {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Hash == (HashParams{}) {
		o.Hash = credential.DefaultCost()
	}
	if o.MaxHashes == 0 {
		o.MaxHashes = min(max(runtime.GOMAXPROCS(0), 2), 4)
	}
	if o.MaxWait == 0 {
		o.MaxWait = 15 * time.Second
	}
	d := &Directory{
		engine: engine, clock: o.Clock, log: o.Logger, hash: o.Hash,
		slots: make(chan struct{}, o.MaxHashes), maxWait: o.MaxWait,
		seal:   sealer{file: o.KeyFile},
		proven: newProvenSet(o.Clock),
		places: newMemo[addr.Address, place](), borrowed: newProvenSet(o.Clock),
		uses: newUseSet(),
		kept: newMemo[AccountID, *secretsRecord](), strangers: newMemoOf[string, candidate](maxStrangers),
		resolved: newMemo[addr.Address, Resolution](), domains: newMemoOf[string, bool](maxStrangers),
		accounts: newMemo[addr.Address, Account](), rewriters: newMemo[struct{}, rewriter](),
		signing: newMemo[string, []dkim.Key](), expiry: newMemo[struct{}, int](),
		scramForAll: newMemo[struct{}, bool](), admins: newMemo[struct{}, map[AccountID][]string](),
	}
	d.stopWatch = engine.Watch(shard, d.forget)
	return d
}

// forget has everything read anew, as something has changed.
func (d *Directory) forget() {
	d.resolved.forget()
	d.domains.forget()
	d.accounts.forget()
	d.kept.forget()
	d.strangers.forget()
	d.signing.forget()
	d.rewriters.forget()
	d.expiry.forget()
	d.scramForAll.forget()
	d.admins.forget()
}

// Close stops following changes. The engine stays open.
func (d *Directory) Close() {
	d.stopWatch()
}

func (d *Directory) view(ctx context.Context, fn func(kv.Reader) error) error {
	return d.engine.View(ctx, shard, fn)
}

func (d *Directory) update(ctx context.Context, fn func(kv.Writer) error) error {
	return d.engine.Update(ctx, []kv.Shard{shard}, func(tx kv.Tx) error { return fn(tx.In(shard)) })
}

// Canonical is the form in which an address of ours is kept. Kind of error: Invalid.
func Canonical(a addr.Address) (addr.Address, error) { return canonical(a) }

// canonical is the form in which our own addresses are kept and compared: the
// domain in canonical form, the local part in lower case (RFC 5321 §2.4 leaves
// that to us) and composed (RFC 6532 §3.1).
func canonical(a addr.Address) (addr.Address, error) {
	if a.Local == "" || a.Domain == "" {
		return addr.Address{}, fault.New(fault.Invalid, "%q is not a whole address; want name@domain", a)
	}
	c, err := a.Canonical()
	c.Local = norm.NFC.String(strings.ToLower(norm.NFC.String(a.Local)))
	return c, err
}
