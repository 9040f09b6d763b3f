package server

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"posthorn/internal/config"
	"posthorn/internal/service"
)

// fetch gets a page of the monitor.
func fetch(t *testing.T, s *Server, path string) (int, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	answer, err := client.Get("http://" + s.monitor.at.String() + path)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, answer)
}

// read gives the status and the body of an answer.
func read(t *testing.T, answer *http.Response) (int, string) {
	t.Helper()
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestMonitor(t *testing.T) {
	c := testConfig(t, config.SMTP, config.IMAPS)
	c.Metrics.Address = "127.0.0.1:0"
	s, _ := start(t, c)
	nc, err := net.Dial("tcp", s.Address(config.SMTP).String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"} {
		if code, text := fetch(t, s, path); code != 200 || text != want {
			t.Errorf("%s: %d %q", path, code, text)
		}
	}
	_, figures := fetch(t, s, "/metrics")
	for _, want := range []string{
		`posthorn_connections{protocol="smtp"} 1`, `posthorn_connections{protocol="imaps"} 0`,
		`posthorn_certificate_expiry_timestamp_seconds{name="mail.example.test",source="file"}`,
	} {
		if !strings.Contains(figures, want) {
			t.Errorf("no %s in\n%s", want, figures)
		}
	}
	onBoard(t, figures)

	// What was counted at a door that is gone stays counted.
	nc.Close()
	again := *c
	again.Listeners = again.Listeners[1:]
	for accepted := ""; accepted == ""; {
		if err := s.Reload(t.Context(), &again); err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		gone := len(s.retired) == 0
		s.mu.Unlock()
		if _, figures = fetch(t, s, "/metrics"); gone {
			accepted = `posthorn_connections_accepted_total{protocol="smtp"} 1`
			if !strings.Contains(figures, accepted) {
				t.Errorf("no %s in\n%s", accepted, figures)
			}
		}
	}
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	if code, _ := fetch(t, s, "/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("ready while it ends: %d", code)
	}
	s.mu.Lock()
	s.stopped = false
	s.mu.Unlock()
}

// onBoard: every figure and every label of the board that is delivered exists.
func onBoard(t *testing.T, figures string) {
	t.Helper()
	text, err := os.ReadFile("../../contrib/grafana/posthorn.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil || len(board.Panels) < 10 {
		t.Fatal(len(board.Panels), err)
	}
	name := regexp.MustCompile(`\b(posthorn|go|process)_[a-z0-9_]+\b`)
	kinds := regexp.MustCompile(`kind=~?"([^"]+)"`)
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			names := name.FindAllString(target.Expr, -1)
			if len(names) == 0 {
				t.Errorf("%s: %s has no figure", p.Title, target.Expr)
			}
			for _, n := range names {
				if !strings.Contains(figures, "\n"+n+"{") && !strings.Contains(figures, "\n"+n+" ") {
					t.Errorf("%s: there is no %s", p.Title, n)
				}
			}
			for _, k := range kinds.FindAllStringSubmatch(target.Expr, -1) {
				for kind := range strings.SplitSeq(k[1], "|") {
					if !strings.Contains(figures, `kind="`+kind+`"`) {
						t.Errorf("%s: there is no kind %q", p.Title, kind)
					}
				}
			}
		}
	}
}

// TestInherited: sockets of the service manager serve the listeners that they are for.
func TestInherited(t *testing.T) {
	open := func(name string) service.Socket {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return service.Socket{TCPListener: l.(*net.TCPListener), Name: name}
	}
	named, addressed, strange := open("imaps"), open("posthorn.socket"), open("")
	c := testConfig(t, config.SMTP, config.IMAPS)
	c.Listeners[0].Address = addressed.Addr().String()
	c.Listeners[1].Address = "127.0.0.1:1" // which nobody listens on
	log := &syncBuffer{}
	s, err := StartWith(t.Context(), c, []service.Socket{strange, named, addressed}, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(context.Background())
	if s.Address(config.SMTP).String() != addressed.Addr().String() || s.Address(config.IMAPS).String() != named.Addr().String() {
		t.Errorf("smtp on %v, imaps on %v", s.Address(config.SMTP), s.Address(config.IMAPS))
	}
	if !strings.Contains(log.String(), "for no listener") {
		t.Errorf("logged %s", log)
	}
	if _, err := net.Dial("tcp", strange.Addr().String()); err == nil {
		t.Error("a socket that is for no listener is open")
	}
}

func TestSameAddress(t *testing.T) {
	for _, tc := range []struct {
		address, socket string
		want            bool
	}{
		{":25", "[::]:25", true},
		{":25", "0.0.0.0:25", true},
		{"0.0.0.0:25", "[::]:25", true},
		{":25", "127.0.0.1:25", false},
		{"127.0.0.1:25", "127.0.0.1:25", true},
		{"127.0.0.1:25", "127.0.0.1:26", false},
		{"[::1]:25", "[::1]:25", true},
		{"127.0.0.1:25", "0.0.0.0:25", false},
	} {
		a, err := net.ResolveTCPAddr("tcp", tc.socket)
		if err != nil {
			t.Fatal(err)
		}
		if got := sameAddress(tc.address, a); got != tc.want {
			t.Errorf("%s, %s: %v", tc.address, tc.socket, got)
		}
	}
}
