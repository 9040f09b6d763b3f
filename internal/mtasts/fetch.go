package mtasts

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"time"

	"posthorn/internal/fault"
)

const (
	maxPolicy = 64 << 10 // bytes; RFC 8461 §3.3 suggests that much
	maxHeader = 16 << 10
	maxAddrs  = 4 // of the host that has the policy
)

// newClient makes what fetches policies. It follows no redirects and remembers
// nothing between one policy and the next (RFC 8461 §3.3).
func (c *Cache) newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            c.dial,
			TLSClientConfig:        &tls.Config{RootCAs: c.o.Roots},
			DisableKeepAlives:      true,
			DisableCompression:     true, // what is unpacked could be of any size
			MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dial connects to a host by our own resolver, at whatever of its addresses answers
// first.
func (c *Cache) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	answer, err := c.o.Resolver.Addrs(ctx, host)
	if err != nil {
		return nil, err
	}
	addrs := answer.Addrs[:min(len(answer.Addrs), maxAddrs)]
	var failed error
	for _, ip := range addrs {
		one, cancel := context.WithTimeout(ctx, c.o.Timeout/time.Duration(len(addrs)+1))
		nc, err := c.o.Dial(one, network, net.JoinHostPort(ip.String(), port))
		cancel()
		if err == nil {
			return nc, nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, failed
}

// fetch gets the policy of a domain from its server. The error is an *Error, or of
// kind Canceled.
func (c *Cache) fetch(ctx context.Context, domain string) (Policy, error) {
	limited, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	url := "https://mta-sts." + domain + "/.well-known/mta-sts.txt"
	text, err := c.get(limited, url)
	switch {
	case ctx.Err() != nil:
		return Policy{}, fault.New(fault.Canceled, "mta-sts: %w", context.Cause(ctx))
	case err != nil:
		return Policy{}, err
	}
	policy, err := Parse(text)
	if err != nil {
		return Policy{}, failure(PolicyInvalid, fault.Invalid, "%s: %w", url, err)
	}
	return policy, nil
}

func (c *Cache) get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, failure(FetchError, fault.Invalid, "%w", err)
	}
	response, err := c.client.Do(request)
	if err != nil {
		// The error names the URL.
		if untrusted := (*tls.CertificateVerificationError)(nil); errors.As(err, &untrusted) {
			return nil, failure(CertificateInvalid, fault.Denied, "%w", err)
		}
		return nil, failure(FetchError, fault.Unavailable, "%w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, failure(FetchError, fault.Unavailable, "%s: the server says %.80q", url, response.Status)
	}
	// RFC 8461 §3.2: what is not text/plain may have been put there by somebody who
	// may put other things than policies there.
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || kind != "text/plain" {
		return nil, failure(PolicyInvalid, fault.Invalid, "%s: it is of type %.80q, not text/plain", url, response.Header.Get("Content-Type"))
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxPolicy+1))
	switch {
	case err != nil:
		return nil, failure(FetchError, fault.Unavailable, "%s: %w", url, err)
	case len(text) > maxPolicy:
		return nil, failure(PolicyInvalid, fault.Invalid, "%s: it is longer than %d bytes", url, maxPolicy)
	}
	return text, nil
}
