package login_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"posthorn/internal/fault"
	"posthorn/internal/login"
	"posthorn/internal/login/logintest"
	"posthorn/internal/obs"
	"posthorn/internal/store"
)

var users = logintest.Users{
	Accounts: map[string]store.AccountID{"alice": 7}, Password: "secret", Closed: "carol", Broken: "dave",
}

// watch notes what guard, recorder and history are told.
type watch struct {
	told []string
	full bool // nobody is admitted
}

func (w *watch) Admit(_ context.Context, _ login.Peer, user string) error {
	w.told = append(w.told, "admit "+user)
	if w.full {
		return fault.New(fault.Unavailable, "test: too many")
	}
	return nil
}

func (w *watch) Failed(_ login.Peer, user string) { w.told = append(w.told, "failed "+user) }

func (w *watch) Withdrawn(_ login.Peer, user string) { w.told = append(w.told, "withdrawn "+user) }

func (w *watch) Succeeded(_ login.Peer, _ string, id login.Identity) {
	w.told = append(w.told, "in "+id.Name)
}

func (w *watch) Record(_ context.Context, a *login.Attempt) {
	w.told = append(w.told, "attempt "+a.User)
}

// history is an obs.Recorder.
type history []obs.Event

func (h *history) Record(e *obs.Event) { *h = append(*h, *e) }

func peer() login.Peer {
	return login.Peer{Protocol: "imap", Remote: netip.MustParseAddr("192.0.2.1"), TLS: &tls.ConnectionState{Version: tls.VersionTLS12}, Conn: "c1"}
}

func TestPassword(t *testing.T) {
	for _, tc := range []struct {
		user, password, as string
		kind               fault.Kind // Internal: none
		told               string
	}{
		{"alice", "secret", "", 0, "in alice@example.test"},
		{"alice", "secret", "alice", 0, "in alice@example.test"},
		{"alice", "secret", "Alice@Example.test", 0, "in alice@example.test"},
		{"alice", "secret", "bob@example.test", fault.Unauthenticated, "failed alice"},
		{"alice", "wrong", "", fault.Unauthenticated, "failed alice"},
		{"nobody", "secret", "", fault.Unauthenticated, "failed nobody"},
		{"carol", "wrong", "", fault.Unauthenticated, "failed carol"},
		{"carol", "secret", "", fault.Denied, "withdrawn carol"},
		{"dave", "secret", "", fault.Unavailable, "withdrawn dave"},
	} {
		w, h := &watch{}, &history{}
		g := login.New(login.Options{Directory: users, Guard: w, Recorder: w, History: h})
		id, err := g.Password(t.Context(), peer(), tc.as, tc.user, tc.password)
		if tc.kind == 0 && (err != nil || id.Account != 7) || tc.kind != 0 && !fault.Is(err, tc.kind) {
			t.Errorf("%v: %+v, %v", tc, id, err)
		}
		if errors.Is(err, login.ErrActAs) != (tc.as == "bob@example.test") {
			t.Errorf("%v: %v", tc, err)
		}
		want := []string{"admit " + tc.user, tc.told, "attempt " + tc.user}
		want = slices.DeleteFunc(want, func(s string) bool { return s == "" })
		if !slices.Equal(w.told, want) {
			t.Errorf("%v: told %q, want %q", tc, w.told, want)
		}
		if len(*h) != 0 != (err != nil) {
			t.Errorf("%v: history %v", tc, *h)
		}
	}
}

func TestGuardKeepsOut(t *testing.T) {
	w := &watch{full: true}
	g := login.New(login.Options{Directory: users, Guard: w})
	if _, err := g.Password(t.Context(), peer(), "", "alice", "secret"); !fault.Is(err, fault.Unavailable) || len(w.told) != 1 {
		t.Errorf("%v, told %q", err, w.told)
	}
}

func TestTold(t *testing.T) {
	var log bytes.Buffer
	h := &history{}
	g := login.New(login.Options{Directory: users, History: h})
	p := peer()
	p.Log, p.Client = slog.New(slog.NewTextHandler(&log, nil)), "a client"
	long := strings.Repeat("x", 5000)
	g.Password(t.Context(), p, "", long, "hunter2")
	e := (*h)[0]
	if e.Kind != obs.AuthFailed || e.Conn != "c1" || e.Protocol != "imap" || e.Hello != "a client" || e.TLS != "TLS 1.2" || len(e.User) > 256 || e.Error == "" {
		t.Errorf("history: %+v", e)
	}
	if text := log.String(); !strings.Contains(text, `msg="authentication failed"`) || strings.Contains(text, "hunter2") || strings.Contains(text, long) {
		t.Errorf("log: %s", text)
	}
}

func TestNothingInClear(t *testing.T) {
	safe, inClear := login.New(login.Options{Directory: users}), login.New(login.Options{Directory: users, InClear: true})
	p := peer()
	p.TLS = nil
	if names := safe.Mechanisms(p); len(names) > 0 || safe.Passwords(p) {
		t.Errorf("offered in clear: %q", names)
	}
	if names := inClear.Mechanisms(p); !slices.Equal(names, []string{"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-1"}) || !inClear.Passwords(p) {
		t.Errorf("offered: %q", names)
	}
	if _, err := safe.Start(t.Context(), p, "PLAIN"); !fault.Is(err, fault.Unsupported) {
		t.Errorf("PLAIN in clear: %v", err)
	}
	if _, err := safe.Password(t.Context(), p, "", "alice", "secret"); !fault.Is(err, fault.Unsupported) {
		t.Errorf("a password in clear: %v", err)
	}
}

func TestIdentify(t *testing.T) {
	g := login.New(login.Options{Directory: users})
	if id, err := g.Identify(t.Context(), peer(), "alice@example.test"); err != nil || id.Account != 7 {
		t.Errorf("%+v, %v", id, err)
	}
	for user, kind := range map[string]fault.Kind{"nobody@example.test": fault.Unauthenticated, "alice": fault.Unauthenticated, "carol@example.test": fault.Denied} {
		if _, err := g.Identify(t.Context(), peer(), user); !fault.Is(err, kind) {
			t.Errorf("%s: %v", user, err)
		}
	}
}
