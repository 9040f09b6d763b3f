package server

import (
	"slices"
	"testing"

	"posthorn/internal/config"
	"posthorn/internal/login"
)

// The configuration knows the mechanisms that there are.
func TestMechanismsHaveNames(t *testing.T) {
	if got, want := config.Mechanisms(), login.Names(); !slices.Equal(got, want) {
		t.Errorf("config knows %q, login %q", got, want)
	}
}
