package server

import (
	"context"
	"log/slog"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/dkim"
	"posthorn/internal/dns"
	"posthorn/internal/fault"
)

// keysEvery is how often DNS is looked at for new keys.
const keysEvery = time.Hour

// keeper sees to the keys that domains sign their mail with: domains that have none
// get some, new ones sign once the world can see their records, and old ones are
// forgotten when nobody needs their records any more.
type keeper struct {
	directory *directory.Directory
	resolver  *dns.Resolver
	log       *slog.Logger
}

func startKeeper(d *directory.Directory, r *dns.Resolver, log *slog.Logger) *background {
	k := &keeper{d, r, log}
	return startBackground(func(ctx context.Context) {
		for ctx.Err() == nil {
			k.round(ctx)
			pause(ctx, keysEvery)
		}
	})
}

// round looks at every domain.
func (k *keeper) round(ctx context.Context) {
	domains, err := k.directory.Domains(ctx)
	for _, domain := range domains {
		if err == nil && ctx.Err() == nil {
			err = k.domain(ctx, domain.Name)
		}
		if fault.Is(err, fault.NotFound) { // it has just been deleted
			err = nil
		}
	}
	if err != nil && ctx.Err() == nil {
		k.log.WarnContext(ctx, "the keys of domains cannot be looked after now", "error", err)
	}
}

func (k *keeper) domain(ctx context.Context, domain string) error {
	made, err := k.directory.EnsureKeys(ctx, domain)
	if err != nil {
		return err
	}
	for _, key := range made {
		k.log.InfoContext(ctx, "a new key signs the mail of a domain; its record is to be published",
			"domain", domain, "name", dkim.RecordName(key.Selector, domain), "record", key.Record)
	}
	keys, err := k.directory.Keys(ctx, domain)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if key.State == directory.KeyPrepared && k.published(ctx, key) {
			if _, err := k.directory.ActivateKeys(ctx, domain, key.Selector); err != nil {
				return err
			}
			k.log.InfoContext(ctx, "a key signs from now on: its record is published", "domain", domain, "selector", key.Selector)
		}
	}
	gone, err := k.directory.ForgetKeys(ctx, domain)
	for _, key := range gone {
		k.log.InfoContext(ctx, "the record of an old key can be removed",
			"domain", domain, "name", dkim.RecordName(key.Selector, domain))
	}
	return err
}

// published says whether the world can see the record of a key.
func (k *keeper) published(ctx context.Context, key directory.Key) bool {
	want, err := dkim.ParseRecord(key.Record)
	if err != nil {
		return false
	}
	answer, err := k.resolver.TXT(ctx, dkim.RecordName(key.Selector, key.Domain))
	if err != nil || len(answer.Texts) != 1 { // RFC 6376 §3.6.2.2: of several, receivers take any
		return false
	}
	found, err := dkim.ParseRecord(answer.Texts[0])
	return err == nil && found.Same(want)
}

// signer makes the queue's Sign: it signs a notification if the domain that it is from
// is ours. One that cannot be signed goes without.
func (d *Data) signer(log *slog.Logger) func(context.Context, addr.Address, []byte) []byte {
	return func(ctx context.Context, from addr.Address, message []byte) []byte {
		keys, err := d.Directory.SigningKeys(ctx, from.Domain)
		var lines []byte
		if err == nil && len(keys) > 0 {
			lines, err = dkim.Sign(message, time.Now(), keys...)
		}
		if err != nil {
			log.WarnContext(ctx, "a notification goes without a signature", "from", from.String(), "error", err)
		}
		return lines
	}
}
