package service

import (
	"strconv"
	"strings"
	"testing"
)

// The program that begins again has the slack, and does not begin a third time.
func TestRelax(t *testing.T) {
	want := strconv.Itoa(int(timerSlack))
	if got := strings.TrimSpace(run(t, "relax")); got != want {
		t.Errorf("the slack is %s ns; want %s", got, want)
	}
}
