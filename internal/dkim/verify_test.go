package dkim

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"pgregory.net/rapid"

	"posthorn/internal/dns"
	"posthorn/internal/dns/dnstest"
)

// published is a zone with the keys of testKeys: s=srsa and s=sed25519 of
// example.test, and the further lines.
func published(t testing.TB, keys []Key, lines ...string) *dns.Resolver {
	var zone strings.Builder
	for _, k := range keys {
		record, err := PublicRecord(k.Private)
		if err != nil {
			t.Fatal(err)
		}
		writeText(&zone, RecordName(k.Selector, k.Domain), record.String())
	}
	for _, line := range lines {
		name, text, isText := strings.Cut(line, " TXT ")
		if isText {
			writeText(&zone, name, text)
		} else {
			fmt.Fprintln(&zone, line)
		}
	}
	return dnstest.New(t, zone.String()).Resolver()
}

// writeText writes a TXT record of strings that are short enough.
func writeText(zone *strings.Builder, name, text string) {
	fmt.Fprintf(zone, "%s TXT", name)
	for len(text) > 0 {
		n := min(200, len(text))
		fmt.Fprintf(zone, " %q", text[:n])
		text = text[n:]
	}
	fmt.Fprintln(zone)
}

// verify has a message verified that arrives in pieces of n bytes.
func verify(ctx context.Context, r *dns.Resolver, text string, n int) []Finding {
	end := strings.Index(text, "\r\n\r\n") + 4
	v := NewVerifier(ctx, r, noon, []byte(text[:end]))
	if v == nil {
		return nil
	}
	defer v.Close()
	for p := []byte(text[end:]); len(p) > 0; p = p[min(n, len(p)):] {
		v.Write(p[:min(n, len(p))])
	}
	return v.Findings()
}

// craft signs a message with tags that no decent signer writes. The value of b= is
// put where it says "b=@".
func craft(t testing.TB, k Key, field, text string) string {
	t.Helper()
	end := strings.Index(text, "\r\n\r\n") + 4
	found := parseFields([]byte(field + "\r\n" + text[:end]))
	empty := parseFields([]byte(strings.Replace(field, "b=@", "b=QQ==", 1) + "\r\n" + text[:end]))
	s := parseSignature(empty.all[0], 0, noon)
	if s.bodyHash != nil && strings.Contains(field, "bh=@") {
		t.Fatal("not both")
	}
	found.all[0] = empty.all[0]
	options := crypto.SignerOpts(crypto.SHA256)
	if k.Algorithm == Ed25519 {
		options = crypto.Hash(0)
	}
	value, err := k.Private.Sign(nil, s.headerHash(found), options)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(field, "b=@", "b="+base64.StdEncoding.EncodeToString(value), 1) + "\r\n" + text
}

// hashed is the bh= of the letter's body, in the simple form.
func hashed(text string) string {
	_, body, _ := strings.Cut(text, "\r\n\r\n")
	d := newDigest(false)
	d.write([]byte(body))
	hash, _ := d.sum()
	return base64.StdEncoding.EncodeToString(hash)
}

func TestVerify(t *testing.T) {
	keys, _ := testKeys(t)
	rsaKey, edKey := keys[0], keys[1]
	weak := weakKey(t)
	zone := []string{
		"revoked._domainkey.example.test TXT v=DKIM1; k=rsa; p=",
		"junk._domainkey.example.test TXT v=DKIM1; k=rsa; p=AAAA",
		"short._domainkey.example.test TXT v=DKIM1; k=ed25519; p=AAAA",
		"other._domainkey.example.test TXT v=DKIM1; k=dsa; p=AAAA",
		"web._domainkey.example.test TXT v=DKIM1; k=rsa; s=web; p=AAAA",
		"two._domainkey.example.test TXT " + recordOf(t, edKey),
		"two._domainkey.example.test TXT " + recordOf(t, rsaKey),
		"more._domainkey.example.test TXT " + recordOf(t, edKey),
		"more._domainkey.example.test TXT v=spf1 -all",
		"strict._domainkey.example.test TXT " + recordOf(t, edKey) + "; t=s",
		"trial._domainkey.example.test TXT " + recordOf(t, edKey) + "; t=y",
		"weak._domainkey.example.test TXT v=DKIM1; p=" + base64.StdEncoding.EncodeToString(weak.Public),
		"sick._domainkey.example.test !servfail",
	}
	resolver := published(t, keys, zone...)
	ed := func(tags string) string {
		return craft(t, edKey, "DKIM-Signature: v=1; a=ed25519-sha256; h=from:subject; bh="+hashed(letter)+"; "+tags+" b=@", letter)
	}
	changed := func(text, from, to string) string {
		if !strings.Contains(text, from) {
			t.Fatalf("%q is not in the message", from)
		}
		return strings.Replace(text, from, to, 1)
	}
	good := sign(t, letter, 100, edKey) + letter
	for _, tc := range []struct {
		name, text string
		want       Result
		reason     string
	}{
		{"no signature", letter, None, ""},
		{"RSA", sign(t, letter, 100, rsaKey) + letter, Pass, ""},
		{"Ed25519", good, Pass, ""},
		{"simple/simple", ed("d=example.test; s=sed25519;"), Pass, ""},
		{"blanks everywhere", ed("d = example.test ;\r\n\ts= sed25519 ; c =\r\n simple / simple;"), Pass, ""},
		{"empty lines at the end do not count", good + "\r\n\r\n", Pass, ""},
		{"blanks do not count when relaxed", changed(good, "We lost the game.  Are", "We lost\tthe game. Are "), Pass, ""},
		{"they do when simple", changed(ed("d=example.test; s=sed25519;"), "game.  Are", "game. Are"), Fail, "body was changed"},
		{"the body was changed", changed(good, "lost", "won"), Fail, "body was changed"},
		{"Subject was changed", changed(good, "dinner", "lunch"), Fail, "header was changed"},
		{"a second From on top", "From: evil@evil.test\r\n" + good, Fail, "header was changed"},
		{"a field that was not signed", "X-Spam: no\r\n" + good, Pass, ""},
		{"b= was changed", changed(ed("d=example.test; s=sed25519;"), " b=", " b=AAAA"), Fail, "header was changed"},

		{"§3.5: no d=", ed("s=sed25519;"), PermError, "no d="},
		{"§3.5: a tag twice", ed("d=example.test; d=example.test; s=sed25519;"), Neutral, "cannot be read"},
		{"§3.5: version 2", changed(good, "v=1", "v=2"), Neutral, "another version"},
		{"§3.5: From is not signed", changed(ed("d=example.test; s=sed25519;"), "h=from:subject", "h=subject"), PermError, "From is not signed"},
		{"§3.5: i= elsewhere", ed("d=example.test; i=@evil.test; s=sed25519;"), PermError, "not in the domain"},
		{"§3.5: i= that only ends alike", ed("d=example.test; i=@badexample.test; s=sed25519;"), PermError, "not in the domain"},
		{"§3.5: i= below d=", ed("d=example.test; i=joe@news.example.test; s=sed25519;"), Pass, ""},
		{"§3.5: expired", ed("d=example.test; s=sed25519; x=1000000000;"), Policy, "expired"},
		{"§3.5: not expired", ed("d=example.test; s=sed25519; x=4000000000;"), Pass, ""},
		{"§3.5: an unknown way to the key", ed("d=example.test; s=sed25519; q=http;"), Neutral, "not in the DNS"},
		{"§3.4: an unknown form", ed("d=example.test; s=sed25519; c=relaxed/nowsp;"), Neutral, "canonicalization"},
		{"§3.2: unknown tags", ed("d=example.test; s=sed25519; future=1;"), Pass, ""},
		{"RFC 8301 §3.1: SHA-1", changed(good, "ed25519-sha256", "rsa-sha1"), Policy, "rsa-sha1"},
		{"an unknown algorithm", changed(good, "ed25519-sha256", "falcon-sha256"), Neutral, "not known"},
		{"d= is an address", ed("d=[192.0.2.1]; s=sed25519;"), Neutral, "no domain"},
		{"bh= is no base64", changed(good, "bh=", "bh=!"), Neutral, "base64"},

		{"§8.2: l= of the whole body", ed(fmt.Sprintf("d=example.test; s=sed25519; l=%d;", bodySize(letter))), Pass, ""},
		{"§8.2: l= of a part", ed("d=example.test; s=sed25519; l=10;"), Policy, "a part of the body"},
		{"§8.2: l= of more", ed("d=example.test; s=sed25519; l=10000;"), Fail, "shorter"},
		{"§8.2: an attachment behind l=", ed(fmt.Sprintf("d=example.test; s=sed25519; l=%d;", bodySize(letter))) + "Buy now!\r\n", Policy, "a part of the body"},

		{"§3.6.1: no key", ed("d=example.test; s=nowhere;"), PermError, "no key at nowhere._domainkey.example.test"},
		{"§3.6.1: revoked", ed("d=example.test; s=revoked;"), PermError, "revoked"},
		{"§3.6.1: of another algorithm", ed("d=example.test; s=srsa;"), PermError, "another algorithm"},
		{"§3.6.1: for the web", ed("d=example.test; s=web;"), PermError, "not for mail"},
		{"§3.6.1: t=s", ed("d=example.test; s=strict;"), Pass, ""},
		{"§3.6.1: t=s and i= below", ed("d=example.test; i=@a.example.test; s=strict;"), PermError, "domains below"},
		{"§3.6.1: a trial that works", ed("d=example.test; s=trial;"), Pass, ""},
		{"§3.6.1: a trial that fails", ed("d=example.test; s=trial;") + "more\r\n", Neutral, "body was changed"},
		{"§3.6.2.2: two keys", ed("d=example.test; s=two;"), PermError, "more than one key"},
		{"§3.6.2.2: a key and something else", ed("d=example.test; s=more;"), Pass, ""},
		{"a selector that is no name", ed("d=example.test; s=a(b;"), PermError, "no key"},
		{"an Ed25519 key of another length", ed("d=example.test; s=short;"), PermError, "wrong length"},
		{"an RSA key that is none", changed(sign(t, letter, 100, rsaKey)+letter, "s=srsa", "s=junk"), PermError, "cannot be read"},
		{"an algorithm of keys that is not known", changed(changed(good, "s=sed25519", "s=other"), "a=ed25519", "a=dsa"), Neutral, "not known"},
		{"RFC 8301 §3.2: 512 bits", changed(sign(t, letter, 100, rsaKey)+letter, "s=srsa", "s=weak"), Policy, "512 bits"},
		{"a server in trouble", ed("d=example.test; s=sick;"), TempError, "did not answer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := verify(t.Context(), resolver, tc.text, 7)
			if tc.want == None {
				if len(got) != 0 {
					t.Errorf("%+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Result != tc.want || !strings.Contains(got[0].Reason, tc.reason) || (got[0].Reason == "") != (tc.want == Pass) {
				t.Errorf("%+v, want %s: %s", got, tc.want, tc.reason)
			}
		})
	}
}

func recordOf(t testing.TB, k Key) string {
	r, err := PublicRecord(k.Private)
	if err != nil {
		t.Fatal(err)
	}
	return r.String()
}

// weakKey is a record with an RSA key of 512 bits, which Go itself no longer makes.
func weakKey(t testing.TB) Record {
	der, err := base64.StdEncoding.DecodeString("MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALFfqkCZ4oWpyiwdKCQ1HmPnIzfK6rZb" +
		"Z0JcWpUvSpW9cOgB2FbN3WqLrj5TnA1mGXzB7bJbWmZk3gKkG9bKcHsCAwEAAQ==")
	if err != nil {
		t.Fatal(err)
	}
	return Record{Algorithm: RSA, Public: der}
}

func bodySize(text string) int {
	_, body, _ := strings.Cut(text, "\r\n\r\n")
	return len(body)
}

// What a finding says of a signature besides its result.
func TestFinding(t *testing.T) {
	keys, _ := testKeys(t)
	resolver := published(t, keys)
	text := sign(t, letter, 100, keys...) + letter
	got := verify(t.Context(), resolver, text, 1000)
	if len(got) != 2 {
		t.Fatalf("%+v", got)
	}
	for _, f := range got {
		want := Finding{Result: Pass, Domain: "example.test", Identity: "@example.test", Selector: f.Selector, Algorithm: f.Selector[1:] + "-sha256", Signature: f.Signature}
		if f != want || len(f.Signature) != 8 || !strings.Contains(text, f.Signature) {
			t.Errorf("%+v, want %+v", f, want)
		}
	}
}

// Of thousands of signatures eight are looked at.
func TestManySignatures(t *testing.T) {
	keys, _ := testKeys(t)
	one := sign(t, letter, 100, keys[1])
	got := verify(t.Context(), published(t, keys), strings.Repeat(one, 3000)+letter, 1000)
	if len(got) != maxSignatures {
		t.Fatalf("%d findings", len(got))
	}
	for _, f := range got {
		if f.Result != Pass {
			t.Errorf("%+v", f)
		}
	}
}

// What somebody else signs, we verify: any message, in each of the forms.
func TestAgainstAnother(t *testing.T) {
	keys, _ := testKeys(t)
	resolver := published(t, keys)
	forms := []dkim.Canonicalization{dkim.CanonicalizationSimple, dkim.CanonicalizationRelaxed}
	rapid.Check(t, func(rt *rapid.T) {
		piece := rapid.SampledFrom([]string{"a", "word", " ", "\t", "\r\n", "\r\n\r\n", "  \r\n", ".", "ü"})
		body := strings.Join(rapid.SliceOfN(piece, 0, 30).Draw(rt, "body"), "")
		subject := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", " ", "\t", "\r\n ", ":"}), 0, 8).Draw(rt, "subject"), "")
		text := "From: a@example.test\r\nSubject:" + subject + "x\r\nX:\r\nsubject : 2\r\n\r\n" + body
		key := rapid.SampledFrom(keys).Draw(rt, "key")
		var signed bytes.Buffer
		err := dkim.Sign(&signed, strings.NewReader(text), &dkim.SignOptions{
			Domain: key.Domain, Selector: key.Selector, Signer: key.Private, Hash: crypto.SHA256,
			HeaderCanonicalization: rapid.SampledFrom(forms).Draw(rt, "header form"),
			BodyCanonicalization:   rapid.SampledFrom(forms).Draw(rt, "body form"),
			HeaderKeys:             []string{"From", "Subject", "X", "Subject", "Subject", "Missing"},
		})
		if err != nil {
			rt.Fatal(err)
		}
		got := verify(t.Context(), resolver, signed.String(), rapid.IntRange(1, 50).Draw(rt, "pieces"))
		if len(got) != 1 || got[0].Result != Pass {
			rt.Fatalf("%+v\n%q", got, signed.String())
		}
	})
}

// Keys that are not to be had end with the context, and leave nothing behind.
func TestSilence(t *testing.T) {
	keys, _ := testKeys(t)
	text := sign(t, letter, 100, keys...) + letter
	synctest.Test(t, func(t *testing.T) {
		resolver := dnstest.New(t, "sed25519._domainkey.example.test !timeout\nsrsa._domainkey.example.test !timeout").Resolver()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		for _, f := range verify(ctx, resolver, text, 1000) {
			if f.Result != TempError {
				t.Errorf("%+v", f)
			}
		}
		if time.Since(began) != time.Second {
			t.Errorf("it took %v", time.Since(began))
		}
		v := NewVerifier(t.Context(), resolver, noon, []byte(sign(t, letter, 100, keys...)))
		v.Close() // the bubble fails if a lookup goes on
	})
}

// A message without signatures costs next to nothing.
func TestUnsigned(t *testing.T) {
	header := []byte(letter[:strings.Index(letter, "\r\n\r\n")+4])
	if n := testing.AllocsPerRun(100, func() {
		if v := NewVerifier(t.Context(), nil, noon, header); v != nil {
			t.Fatal("there is no signature")
		}
	}); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever a message is, verifying it ends with as many findings as signatures that
// are looked at, each with a result.
func FuzzVerify(f *testing.F) {
	keys, _ := testKeys(f)
	resolver := published(f, keys)
	f.Add(sign(f, letter, 100, keys...), "body\r\n")
	f.Add("DKIM-Signature: v=1; a=rsa-sha256; d=example.test; s=srsa; h=from::from; bh=; b=;\r\nDKIM-Signature:\r\n", "\r\n\r")
	f.Fuzz(func(t *testing.T, header, body string) {
		v := NewVerifier(t.Context(), resolver, noon, []byte(header))
		if v == nil {
			return
		}
		defer v.Close()
		v.Write([]byte(body))
		for _, f := range v.Findings() {
			if f.Result == "" || (f.Reason == "") != (f.Result == Pass) {
				t.Errorf("%+v", f)
			}
		}
	})
}

// A body of nothing but line ends, which some verifiers take minutes for.
func BenchmarkVerifyLineEnds(b *testing.B) {
	benchmarkVerify(b, bytes.Repeat([]byte("\r\n"), 1<<20))
}

func BenchmarkVerifyText(b *testing.B) {
	benchmarkVerify(b, bytes.Repeat([]byte(strings.Repeat("lorem ipsum ", 6)+"\r\n"), 1<<14))
}

func benchmarkVerify(b *testing.B, body []byte) {
	for _, relaxed := range []bool{false, true} {
		b.Run(fmt.Sprint("relaxed=", relaxed), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				d := newDigest(relaxed)
				for p := body; len(p) > 0; p = p[min(16<<10, len(p)):] {
					d.write(p[:min(16<<10, len(p))])
				}
				d.sum()
			}
		})
	}
}
