package server

import (
	"testing"
	"time"
)

func TestRush(t *testing.T) {
	const mb = 1 << 20
	start := time.Unix(1000, 0)
	var r rush
	for _, step := range []struct {
		second    int
		allocated uint64
		over      bool
		why       string
	}{
		{1, 1 * mb, false, "a quiet start leaves nothing behind"},
		{2, 100 * mb, false, "the rush goes on"},
		{3, 200 * mb, false, "the rush goes on"},
		{4, 201 * mb, true, "the rush is over"},
		{5, 300 * mb, false, "another rush"},
		{6, 300 * mb, false, "too soon after the last"},
		{7, 300 * mb, true, "late enough"},
		{8, 300 * mb, false, "it has been dealt with"},
		{30, 310 * mb, false, "not worth while"},
	} {
		if over := r.over(start.Add(time.Duration(step.second)*time.Second), step.allocated); over != step.over {
			t.Errorf("second %d, %d MB allocated: over is %v, expected %v: %s", step.second, step.allocated/mb, over, step.over, step.why)
		}
	}
}
