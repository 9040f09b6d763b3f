package outbound

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"posthorn/internal/queue"
	"posthorn/internal/smtpclient"
)

// door is the way into a host for a delivery.
func (d *delivery) door(t *target, a assurance) door {
	r := d.route
	way := door{
		host: t.host, port: t.port, hostname: d.out.o.Hostname, tls: a.tls, implicit: r.ImplicitTLS, lmtp: r.Transport == LMTP,
		v4: r.source(netip.AddrFrom4([4]byte{})), v6: r.source(netip.IPv6Unspecified()),
	}
	if t.socket != "" {
		way.host, way.port = t.socket, 0
	}
	if r.Hostname != "" {
		way.hostname = r.Hostname
	}
	if r.Auth != nil {
		way.user = r.Auth.User
	}
	if a.dane.Proves() {
		// The name of the destination may have been part of the proof.
		way.proof = a.dane.Key() + " " + d.destination
	}
	return way
}

// session takes a connection to a target out of the pool, or makes one. It takes
// the addresses that are of no use out of t.addrs. Instead of a session there may be
// a result, which holds for all recipients.
func (d *delivery) session(ctx context.Context, t *target, a assurance) (*session, *queue.Result) {
	way := d.door(t, a)
	if s := d.out.pool.take(way); s != nil {
		return s, nil
	}
	won, err := d.connect(ctx, t)
	if err != nil {
		result := unconnected(t.host, err)
		if ctx.Err() != nil {
			result = interrupted()
		}
		return nil, &result
	}
	remote := name(t, won.ip)
	client, err := smtpclient.Open(ctx, won.nc, d.options(way, a))
	atTLS := err
	if !isAtTLS(err) || ctx.Err() != nil {
		atTLS = nil
	}
	if atTLS != nil && way.tls == smtpclient.TLSOpportunistic && !way.implicit {
		// Encryption that does not work is worth no less than none (RFC 7435 §3).
		d.out.log.InfoContext(ctx, "TLS does not work: sending in clear", "remote", remote, "err", err)
		client, err = d.inClear(ctx, t, won.ip, way, a)
	}
	if err == nil || atTLS != nil {
		d.countSession(t, a, won, client, atTLS)
	}
	if err != nil {
		result := d.unopened(err, remote, a)
		return nil, &result
	}
	return &session{door: way, ip: won.ip, remote: remote, client: client, tls: d.secured(client, a)}, nil
}

// isAtTLS says that a session failed at TLS.
func isAtTLS(err error) bool {
	var e *smtpclient.Error
	return errors.As(err, &e) && e.Stage == smtpclient.AtTLS
}

func (d *delivery) connect(ctx context.Context, t *target) (won dialed, err error) {
	if t.socket != "" {
		return d.out.connectSocket(ctx, t)
	}
	won, t.addrs, err = d.out.connect(ctx, d.route, t)
	return won, err
}

// inClear connects once more, and does without TLS.
func (d *delivery) inClear(ctx context.Context, t *target, ip netip.Addr, way door, a assurance) (*smtpclient.Client, error) {
	again := *t
	again.addrs = []netip.Addr{ip}
	won, err := d.connect(ctx, &again)
	if err != nil {
		return nil, err
	}
	way.tls = smtpclient.TLSNever
	return smtpclient.Open(ctx, won.nc, d.options(way, a))
}

func (d *delivery) options(way door, a assurance) smtpclient.Options {
	return smtpclient.Options{
		Hostname: way.hostname, LMTP: way.lmtp,
		TLS: way.tls, ImplicitTLS: way.implicit,
		TLSConfig: d.config(a),
		Auth:      d.route.Auth, PlaintextAuth: d.route.PlaintextAuth,
		Timeouts: d.out.o.Timeouts,
	}
}

// unopened is the result of a session that did not come about.
func (d *delivery) unopened(err error, remote string, a assurance) queue.Result {
	var e *smtpclient.Error
	switch {
	case !errors.As(err, &e):
		return unconnected(remote, err)
	case isCanceled(e):
		return interrupted()
	case e.Stage == smtpclient.AtTLS && d.mustEncrypt():
		return insecure(e, remote)
	case e.Stage == smtpclient.AtTLS && a.why != "":
		return ours(queue.Unreachable, code{4, 7, 5}, "%s, at %v: %v; TLS is demanded by %s", remote, e.Stage, e.Unwrap(), a.why)
	}
	return closedDoor(e, remote)
}

// unconnected is the result of a host that does not answer.
func unconnected(host string, err error) queue.Result {
	// One line for each address, the same words often being in several.
	var words []string
	for _, line := range strings.Split(err.Error(), "\n") {
		if len(words) == 0 || words[len(words)-1] != line {
			words = append(words, line)
		}
	}
	return ours(queue.Unreachable, code{4, 4, 1}, "%s does not answer: %s", host, strings.Join(words, "; "))
}

// name is a host and the address that was connected to.
func name(t *target, ip netip.Addr) string {
	switch {
	case t.socket != "":
		return t.host
	case t.host == ip.String():
		return "[" + t.host + "]"
	}
	return t.host + " [" + ip.String() + "]"
}
