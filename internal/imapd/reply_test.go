package imapd

import (
	"strings"
	"testing"

	"posthorn/internal/fault"
)

// Every kind of failure has a reply of its own, with a code of RFC 5530 or RFC 4469.
func TestReplies(t *testing.T) {
	codes := "UNAVAILABLE AUTHENTICATIONFAILED NOPERM INUSE CORRUPTION SERVERBUG CANNOT LIMIT OVERQUOTA ALREADYEXISTS NONEXISTENT TOOBIG"
	for _, kind := range fault.Kinds() {
		r, ok := replies[kind]
		switch {
		case !ok:
			t.Errorf("%v has no reply", kind)
		case r.status != statusNO || r.words == "":
			t.Errorf("%v is answered with %+v", kind, r)
		case !strings.Contains(" "+codes+" ", " "+r.code+" "):
			t.Errorf("%v is answered with the code %q", kind, r.code)
		}
	}
	if len(replies) != len(fault.Kinds()) {
		t.Errorf("there are %d replies for %d kinds", len(replies), len(fault.Kinds()))
	}
}
