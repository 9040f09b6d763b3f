package server

import (
	"testing"
	"time"

	"posthorn/internal/config"
)

// A route says how much patience there is with its destinations, and [queue] what it
// does not say.
func TestPatience(t *testing.T) {
	c := config.Default()
	c.Hostname = "mail.example.test"
	c.Routes = []config.Route{
		{Domains: []string{"slow.test", ".slow.test"}, Retry: []time.Duration{time.Hour}, GiveUp: new(48 * time.Hour), DelayNotice: new(time.Duration(0)), Connections: new(2)},
		{Name: "backup", Connections: new(3)},
		{Domains: []string{"*"}, GiveUp: new(time.Hour)},
	}
	s := queueSettings(&c)
	if s.Postmaster.String() != "postmaster@mail.example.test" || s.Hostname != "mail.example.test" {
		t.Errorf("%+v", s)
	}
	for destination, want := range map[string]struct {
		pause, lifetime, notice time.Duration
		connections             int
	}{
		"slow.test":    {time.Hour, 48 * time.Hour, 0, 2},
		"mx.slow.test": {time.Hour, 48 * time.Hour, 0, 2},
		"backup":       {2 * time.Minute, 5 * 24 * time.Hour, 4 * time.Hour, 3},
		"other.test":   {2 * time.Minute, time.Hour, 4 * time.Hour, 20},
	} {
		p := s.Policy(destination)
		if p.Pauses[0] != want.pause || p.Lifetime != want.lifetime || p.Notice != want.notice || p.Concurrency != want.connections {
			t.Errorf("%s: %+v, want %+v", destination, p, want)
		}
	}
	c.Routes = nil
	if p := queueSettings(&c).Policy("slow.test"); p.Concurrency != 20 {
		t.Errorf("without routes: %+v", p)
	}
}
