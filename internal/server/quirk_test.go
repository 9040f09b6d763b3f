package server

import (
	"slices"
	"testing"

	"posthorn/internal/config"
	"posthorn/internal/imapd"
)

// What a [[quirk]] may name is what the server can withhold.
func TestQuirksNameExtensions(t *testing.T) {
	want := imapd.Extensions()
	got := config.Extensions()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the configuration knows\n%q\nthe server has\n%q", got, want)
	}
}
