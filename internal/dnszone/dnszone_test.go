package dnszone

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/tools/txtar"

	"posthorn/internal/dns/dnstest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	rsaRecord = "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsample7keysample7keysample7keysample7keysample7keysample7keysample7keysample7keysample7keysample7keysample" +
		"7keysample7keysample7keysample7keysample7keysample7keysample7keysample7keysample7keysample7keysample7keysample7keysample7keysample7keysample7keysample" +
		"7keysample7keysample7keysample7keysample7keysample7keysample7keysample7keysampIDAQAB"
	edRecord  = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	newRecord = "v=DKIM1; k=ed25519; p=22qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	oldRecord = "v=DKIM1; k=ed25519; p=33qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
)

// facts are those of example.test, on a server with two addresses.
func facts() *Facts {
	return &Facts{
		Domain: "example.test",
		Keys: []Key{
			{Name: "r._domainkey.example.test", Record: rsaRecord},
			{Name: "e._domainkey.example.test", Record: edRecord},
			{Name: "e2._domainkey.example.test", Record: newRecord, State: Next},
			{Name: "e0._domainkey.example.test", Record: oldRecord, State: Past, Until: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)},
		},
		Site: Site{
			Hostname:  "mail.example.test",
			Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
			Services:  []Service{{"submissions", 465}, {"imaps", 2993}},
		},
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: run with -update if this is right; got:\n%s", name, got)
	}
}

func TestZone(t *testing.T) {
	var text bytes.Buffer
	Write(&text, Zone(facts()))
	golden(t, "zone.txt", text.String())
	text.Reset()
	Write(&text, Zone(&Facts{Domain: "example.test", Site: Site{Hostname: "example.test"}}))
	golden(t, "zone-unknown.txt", text.String())
}

// What is printed is a zone, and one that Check finds right.
func TestZoneIsRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text strings.Builder
		for _, s := range Zone(facts()) {
			for _, r := range s.Records {
				if !s.Optional {
					text.WriteString(r.String() + "\n")
				}
			}
		}
		for _, ip := range facts().Addresses {
			text.WriteString(pointer(ip, "mail.example.test").String() + "\n")
		}
		zone := dnstest.New(t, text.String())
		for _, f := range Check(t.Context(), zone.Resolver(), facts()) {
			if f.Status != OK {
				t.Errorf("%+v", f)
			}
		}
	})
}

// TestCheck compares zones with what is found in them: testdata/*.txtar, each with a
// zone for dnstest and the findings.
func TestCheck(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				archive, err := txtar.ParseFile(file)
				if err != nil {
					t.Fatal(err)
				}
				zone := dnstest.New(t, string(archive.Files[0].Data))
				f := facts()
				if bytes.Contains(archive.Comment, []byte("addresses are not known")) {
					f.Addresses = nil
				}
				findings := Check(t.Context(), zone.Resolver(), f)
				var got bytes.Buffer
				WriteFindings(&got, findings)
				if want := strings.Contains(file, "right"); Right(findings) != want {
					t.Errorf("right: %v, want %v", Right(findings), want)
				}
				archive.Files = []txtar.File{archive.Files[0], {Name: "findings", Data: got.Bytes()}}
				golden(t, filepath.Base(file), string(txtar.Format(archive)))
			})
		})
	}
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"":                       `""`,
		`say "yes" \ no`:         `"say \"yes\" \\ no"`,
		strings.Repeat("a", 255): `"` + strings.Repeat("a", 255) + `"`,
		strings.Repeat("a", 600): `"` + strings.Repeat("a", 255) + `" "` + strings.Repeat("a", 255) + `" "` + strings.Repeat("a", 90) + `"`,
	} {
		if got := quote(text); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

func TestPublicAddresses(t *testing.T) {
	for ip, want := range map[string]bool{
		"192.0.2.1": true, "8.8.8.8": true, "2001:db8::1": true, "::ffff:8.8.8.8": true,
		"127.0.0.1": false, "10.0.0.1": false, "192.168.1.1": false, "172.16.0.1": false, "169.254.1.1": false, "100.64.0.1": false,
		"0.0.0.0": false, "::1": false, "fe80::1": false, "fd00::1": false, "224.0.0.1": false,
	} {
		if got := IsPublic(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s: %v", ip, got)
		}
	}
}
