package acme

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"posthorn/internal/certs"
	"posthorn/internal/dns/dnstest"
	"posthorn/internal/wire/wiretest"
)

// authority is a pebble.
type authority struct {
	t         *testing.T
	dir       string
	cmd       *exec.Cmd
	settings  settings
	names     *dnstest.Server
	Directory string
	CA        string // file of who vouches for its own server
}

// settings are pebble's own.
type settings struct {
	Listen     string `json:"listenAddress"`
	Management string `json:"managementListenAddress"`
	Cert       string `json:"certificate"`
	Key        string `json:"privateKey"`
	HTTPPort   int    `json:"httpPort"`
	TLSPort    int    `json:"tlsPort"`
	Life       int    `json:"certificateValidityPeriod"` // seconds
}

// newAuthority starts one that validates names at a port of this machine, and
// issues certificates that live for some seconds.
func newAuthority(t *testing.T, names *dnstest.Server, port int, life time.Duration) *authority {
	t.Helper()
	dir := t.TempDir()
	listen, management := wiretest.Lonely(t), wiretest.Lonely(t)
	cert, key, err := certs.SelfSign(time.Now(), hostOf(listen), hostOf(management))
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, dir: dir, names: names, CA: filepath.Join(dir, "ca.pem"), settings: settings{
		Listen: listen, Management: management, Cert: filepath.Join(dir, "ca.pem"), Key: filepath.Join(dir, "key.pem"),
		HTTPPort: port, TLSPort: port, Life: int(life.Seconds()),
	}}
	a.Directory = "https://" + a.settings.Listen + "/dir"
	write(t, a.CA, cert)
	write(t, a.settings.Key, key)
	text, err := json.Marshal(map[string]settings{"pebble": a.settings})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "config.json"), text)
	a.start()
	t.Cleanup(a.stop)
	return a
}

// start runs it, without what it remembered before.
func (a *authority) start() {
	a.t.Helper()
	log, err := os.OpenFile(filepath.Join(a.dir, "pebble.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		a.t.Fatal(err)
	}
	defer log.Close()
	a.cmd = exec.Command("pebble", "-config", filepath.Join(a.dir, "config.json"), "-dnsserver", a.names.Listen().String())
	a.cmd.Stdout, a.cmd.Stderr = log, log
	a.cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=0")
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := a.cmd.Start(); err != nil {
		a.t.Fatalf("pebble (test/deps installs it): %v", err)
	}
	await(a.t, "pebble does not answer", func() bool {
		nc, err := net.Dial("tcp", a.settings.Listen)
		if err == nil {
			nc.Close()
		}
		return err == nil
	})
}

func (a *authority) stop() {
	if a.cmd == nil {
		return
	}
	a.cmd.Process.Kill()
	a.cmd.Wait() // it was killed, as it says
	a.cmd = nil
	if text, err := os.ReadFile(filepath.Join(a.dir, "pebble.log")); err == nil && a.t.Failed() {
		a.t.Logf("pebble said:\n%s", text[max(0, len(text)-4000):])
	}
}

// roots are those that vouch for what it issues.
func (a *authority) roots() *x509.CertPool {
	a.t.Helper()
	ca, err := os.ReadFile(a.CA)
	if err != nil {
		a.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
	answer, err := client.Get("https://" + a.settings.Management + "/roots/0")
	if err != nil {
		a.t.Fatal(err)
	}
	defer answer.Body.Close()
	root, err := io.ReadAll(answer.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(root) {
		a.t.Fatalf("pebble's root: %s", root)
	}
	return roots
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// await waits for what has to come true within a minute.
func await(t *testing.T, otherwise string, true func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !true(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(otherwise)
		}
	}
}

// shown is the certificate that a client gets who asks for a name.
func shown(t *testing.T, address, name string) *x509.Certificate {
	t.Helper()
	c, err := tls.Dial("tcp", address, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0]
}

// proven says whether a client that believes the authority believes the server.
func proven(address, name string, roots *x509.CertPool) error {
	c, err := tls.Dial("tcp", address, &tls.Config{ServerName: name, RootCAs: roots})
	if err != nil {
		return err
	}
	return c.Close()
}

// hostOf is the host of an address of IPv4.
func hostOf(address string) string {
	host, _, _ := strings.Cut(address, ":")
	return host
}

func portOf(t *testing.T, address string) (port int) {
	t.Helper()
	if _, err := fmt.Sscanf(address[strings.LastIndexByte(address, ':'):], ":%d", &port); err != nil {
		t.Fatal(err)
	}
	return port
}
