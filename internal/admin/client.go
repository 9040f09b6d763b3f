package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"

	"posthorn/internal/fault"
)

// Client asks for operations.
type Client struct {
	transport http.RoundTripper
	base      string              // of the URLs of operations
	login     func(*http.Request) // proves who asks; nil: nobody wants to know
}

// here is the base of those that are on this machine, where it means nothing.
const here = "http://posthorn"

// Dial connects to the server that listens on a control socket. Kinds of errors:
// NotFound when no server runs there, Denied when one may but is not ours to talk
// to.
func Dial(ctx context.Context, socket string) (*Client, error) {
	dial := func(ctx context.Context) (net.Conn, error) {
		path, release, err := reachable(socket)
		if err != nil {
			return nil, err
		}
		defer release()
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	nc, err := dial(ctx)
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return nil, fault.New(fault.NotFound, "no server listens on %s", socket)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return nil, fault.New(fault.Denied, "%s: permission denied; run this as the user that the server runs as", socket)
	case err != nil:
		return nil, fault.New(fault.Unavailable, "%w", err)
	}
	first := nc // the connection that proved it is the first to be used
	return &Client{base: here, transport: &http.Transport{
		MaxIdleConns: 1,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			if first != nil {
				nc, first = first, nil
				return nc, nil
			}
			return dial(ctx)
		},
	}}, nil
}

// Local makes a client of operations in this process.
func Local(a *Admin) *Client { return &Client{base: here, transport: inProcess{a.Handler()}} }

// inProcess carries a request to a handler and back without a connection.
type inProcess struct{ handler http.Handler }

func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &response{status: http.StatusOK, header: http.Header{}}
	t.handler.ServeHTTP(w, r)
	return &http.Response{StatusCode: w.status, Status: http.StatusText(w.status), Header: w.header, Body: io.NopCloser(&w.body)}, nil
}

// response collects what a handler answers.
type response struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (w *response) Header() http.Header         { return w.header }
func (w *response) WriteHeader(status int)      { w.status = status }
func (w *response) Write(p []byte) (int, error) { return w.body.Write(p) }

// Close gives the connection up.
func (c *Client) Close() {
	if t, ok := c.transport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// Call asks for an operation and waits for its end. An error has the kind and the
// text that it has on the server's side.
func (op Operation[Request, Response]) Call(ctx context.Context, c *Client, request Request) (Response, error) {
	body, err := json.Marshal(request)
	if err != nil {
		var none Response
		return none, fault.New(fault.Internal, "admin: %w", err)
	}
	return exchange[Response](ctx, c, pathPrefix+op.path, bytes.NewReader(body))
}

// exchange sends a request and reads the answer.
func exchange[Response any](ctx context.Context, c *Client, path string, body io.Reader) (Response, error) {
	var response Response
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, body)
	if err != nil {
		return response, fault.New(fault.Internal, "admin: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	if c.login != nil {
		c.login(r)
	}
	answer, err := c.transport.RoundTrip(r)
	if err != nil {
		return response, unreached(err)
	}
	defer answer.Body.Close()
	decoder := json.NewDecoder(answer.Body)
	if answer.StatusCode != http.StatusOK {
		var f failure
		if err := decoder.Decode(&f); err != nil {
			return response, fault.New(fault.Unsupported, "%s answers %s, which posthorn would not", c.base, answer.Status)
		}
		return response, fault.New(kindNamed(f.Kind), "%s", f.Error)
	}
	if err := decoder.Decode(&response); err != nil {
		return response, fault.New(fault.Internal, "admin: the answer to %s: %w", path, err)
	}
	return response, nil
}
