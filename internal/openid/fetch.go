package openid

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"sync"
	"time"

	"posthorn/internal/fault"
)

const (
	timeout     = 5 * time.Second
	maxAnswer   = 1 << 20 // bytes of the provider's
	maxRequests = 16      // at a time
	fresh       = 10 * time.Second
	maxKept     = 8
)

// newClient makes what talks to the provider.
func newClient(o *Options) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: &careful{
			clock: o.Clock, slots: make(chan struct{}, maxRequests), kept: map[string]answer{},
			next: &http.Transport{
				Proxy:                  http.ProxyFromEnvironment,
				TLSClientConfig:        &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
				MaxIdleConnsPerHost:    2,
				IdleConnTimeout:        time.Minute,
				MaxResponseHeaderBytes: 64 << 10,
				DisableCompression:     true, // what is unpacked could be of any size
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// careful bounds what the provider is asked. A document is fetched every few seconds at
// most: somebody who makes up tokens with keys that nobody has must not have us ask for
// keys each time.
type careful struct {
	next  http.RoundTripper
	clock func() time.Time
	slots chan struct{}

	mu   sync.Mutex
	kept map[string]answer // by URL
}

// answer is a document, or the error of fetching it.
type answer struct {
	at   time.Time
	body []byte
	err  error
}

// RoundTrip gives answers with status 200, or an error of kind Unavailable.
func (c *careful) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		return c.ask(r)
	}
	url := r.URL.String()
	c.mu.Lock()
	a, ok := c.kept[url]
	c.mu.Unlock()
	if !ok || c.clock().Sub(a.at) >= fresh {
		a = c.fetch(r)
		c.mu.Lock()
		if len(c.kept) >= maxKept {
			clear(c.kept)
		}
		c.kept[url] = a
		c.mu.Unlock()
	}
	if a.err != nil {
		return nil, a.err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(a.body)),
	}, nil
}

func (c *careful) fetch(r *http.Request) answer {
	a := answer{at: c.clock()}
	response, err := c.ask(r)
	if err == nil {
		a.body, err = io.ReadAll(response.Body)
		response.Body.Close()
	}
	if err != nil {
		a.err = fault.New(fault.Unavailable, "openid: %w", err)
	}
	return a
}

// ask sends a request when it is its turn.
func (c *careful) ask(r *http.Request) (*http.Response, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-r.Context().Done():
		return nil, fault.New(fault.Unavailable, "openid: too many wait for the provider: %w", context.Cause(r.Context()))
	}
	response, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "openid: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fault.New(fault.Unavailable, "openid: %s answers %s", r.URL.Redacted(), response.Status)
	}
	response.Body = &bounded{response.Body, maxAnswer}
	return response, nil
}

// bounded fails when too much comes.
type bounded struct {
	io.ReadCloser
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fault.New(fault.Unavailable, "openid: the provider's answer has more than %d bytes", maxAnswer)
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
