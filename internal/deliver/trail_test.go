package deliver

import (
	"slices"
	"strings"
	"testing"

	"posthorn/internal/queue"
)

// What a plan makes of a message is told, each new name with it.
func TestEvents(t *testing.T) {
	r := street(t)
	for _, tc := range []struct {
		name string
		to   []string
		want []string
	}{
		{"into mailboxes", []string{"alice@example.test"}, nil},
		{"as it is, to others", []string{"two@elsewhere.test"}, nil},
		{"passed on under its name", []string{"friend@example.test"}, []string{"passed on by friend@example.test to Friend@elsewhere.test"}},
		{"confirmed", []string{"alice@example.test SUCCESS"}, []string{"notification sent delivered to alice@example.test, NEW"}},
		{
			"passed on by some",
			[]string{"all@example.test SUCCESS", "two@elsewhere.test"},
			[]string{
				"passed on by friend@example.test to Friend@elsewhere.test, NEW", "passed on by bob@example.test to bob@home.test, NEW",
				"passed on by carol@example.test to carol@home.test, NEW", "notification sent expanded to all@example.test, NEW",
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := mail(t, r, "x@remote.test", "", tc.to...)
			plan, err := r.Plan(t.Context(), m)
			if err == nil {
				plan, err = r.Tell(plan, m)
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range plan.Events(m.Envelope, noon) {
				line := e.Kind.String()
				if e.Action != "" {
					line += " " + e.Action
				}
				if e.User != "" {
					line += " by " + e.User
				}
				for _, to := range e.To {
					line += " to " + to.Address
				}
				if e.Related != "" {
					line += ", NEW"
					if !slices.ContainsFunc(plan.Queue, func(m *queue.Message) bool { return string(m.ID) == e.Related }) {
						t.Errorf("nothing is called %s", e.Related)
					}
				}
				if e.Message != string(m.Envelope.ID) || e.From != "x@remote.test" || !e.Time.Equal(noon) {
					t.Errorf("told %+v", e)
				}
				got = append(got, line)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
		})
	}
}
