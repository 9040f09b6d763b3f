package admin

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"posthorn/internal/fault"
)

// Remote is a server that is asked over HTTP, and the account that asks.
type Remote struct {
	URL            string // "https://mail.example.test"
	User, Password string
	Code           string         // a one-time code, of an account that is guarded by these; ""
	Roots          *x509.CertPool // who vouches for the server; nil: whom the system trusts
}

// DialRemote makes a client of a server elsewhere. It connects when it is asked for
// something. The password goes to this server only, and never in clear but on this machine.
func DialRemote(r Remote) (*Client, error) {
	u, err := url.Parse(r.URL)
	switch {
	case err != nil || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return nil, fault.New(fault.Invalid, "%q is not the URL of a server; want something like https://mail.example.test", r.URL)
	case u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())):
		return nil, fault.New(fault.Invalid, "%q would have the password pass in clear; want https", r.URL)
	}
	c := &Client{base: u.Scheme + "://" + u.Host + apiPrefix, transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: r.Roots},
		TLSHandshakeTimeout: 20 * time.Second, ResponseHeaderTimeout: 2 * longestRequest, MaxIdleConns: 1,
	}}
	c.login = func(request *http.Request) {
		request.SetBasicAuth(r.User, r.Password)
		request.Header.Set("User-Agent", "posthorn")
		if r.Code != "" {
			request.Header.Set(codeHeader, r.Code)
		}
	}
	return c, nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// unreached is the error that a server did not answer.
func unreached(err error) error {
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return fault.New(fault.Unavailable, "nobody known vouches for the server's certificate; if it is yours, name its file with --server-ca: %w", err)
	}
	return fault.New(fault.Unavailable, "the server did not answer: %w", err)
}
