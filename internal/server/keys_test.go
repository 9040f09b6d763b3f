package server

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/directory"
	"posthorn/internal/dkim"
	"posthorn/internal/dns/dnstest"
	"posthorn/internal/dnszone"
	"posthorn/internal/kv/memkv"
)

// TestKeeper follows the keys of a domain that was there before there were keys.
func TestKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		d := directory.New(memkv.New(memkv.Options{}), directory.Options{})
		defer d.Close()
		if _, err := d.AddDomain(ctx, "example.test"); err != nil {
			t.Fatal(err)
		}
		zone := dnstest.New(t, "")
		defer startKeeper(d, zone.Resolver(), slog.New(slog.DiscardHandler)).stop()
		states := func() string {
			t.Helper()
			synctest.Wait()
			keys, err := d.Keys(ctx, "example.test")
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for _, k := range keys {
				all = append(all, string(k.Algorithm)+" "+k.State.String())
			}
			return strings.Join(all, ", ")
		}
		want := func(when, want string) {
			t.Helper()
			if got := states(); got != want {
				t.Errorf("%s: %s; want %s", when, got, want)
			}
		}
		want("at the start", "ed25519 active, rsa active")

		fresh, err := d.RotateKeys(ctx, "example.test")
		if err != nil {
			t.Fatal(err)
		}
		publish := func(records ...string) {
			text := ""
			for i, record := range records {
				text += dnszone.TXT(dkim.RecordName(fresh[i].Selector, "example.test"), record).String() + "\n"
			}
			zone.Set(strings.ReplaceAll(text, ". IN TXT", ". TXT"))
		}
		time.Sleep(2 * time.Hour)
		want("with nothing published", "ed25519 active, ed25519 prepared, rsa active, rsa prepared")
		publish(fresh[1].Record) // the other key's
		time.Sleep(2 * time.Hour)
		want("with the wrong record", "ed25519 active, ed25519 prepared, rsa active, rsa prepared")
		publish(fresh[0].Record)
		time.Sleep(2 * time.Hour)
		want("with one", "ed25519 active, ed25519 prepared, rsa retired, rsa active")
		publish(fresh[0].Record, fresh[1].Record)
		time.Sleep(2 * time.Hour)
		want("with both", "ed25519 retired, ed25519 active, rsa retired, rsa active")
		time.Sleep(7 * 24 * time.Hour)
		want("a week later", "ed25519 retired, ed25519 active, rsa retired, rsa active")
		time.Sleep(2 * 24 * time.Hour)
		want("in the end", "ed25519 active, rsa active")
	})
}
