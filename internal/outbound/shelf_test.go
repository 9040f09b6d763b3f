package outbound

import (
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/dns/dnstest"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/mtasts"
)

// What is kept is found again, by another cache too, until it holds no longer.
func TestShelf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Shelf{memkv.New(memkv.Options{})}
		if record, err := s.Load(t.Context(), "remote.test"); record != nil || err != nil {
			t.Errorf("%q, %v", record, err)
		}
		record, err := shelf{"remote.test": "version: STSv1\nmode: testing\nmx: mx.remote.test\nmax_age: 864000\n"}.Load(t.Context(), "remote.test")
		if err != nil {
			t.Fatal(err)
		}
		for _, domain := range []string{"remote.test", "other.test"} {
			if err := s.Save(t.Context(), domain, record); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Save(t.Context(), "other.test", []byte("nonsense")); err != nil {
			t.Fatal(err)
		}
		left := func() (n int) {
			t.Helper()
			if err := s.Tidy(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, domain := range []string{"remote.test", "other.test"} {
				if record, _ := s.Load(t.Context(), domain); record != nil {
					n++
				}
			}
			return n
		}
		if n := left(); n != 1 {
			t.Errorf("%d policies are left", n)
		}
		cache := mtasts.New(mtasts.Options{Resolver: dnstest.New(t, "").Resolver(), Store: s})
		if a := cache.Get(t.Context(), "remote.test"); a.Policy.Mode != mtasts.Testing {
			t.Errorf("%+v", a)
		}
		time.Sleep(11 * 24 * time.Hour)
		if n := left(); n != 0 {
			t.Errorf("%d policies are left after their time", n)
		}
	})
}
