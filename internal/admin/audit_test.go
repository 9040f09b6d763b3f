package admin

import (
	"encoding/json"
	"strings"
	"testing"
)

// No request brings a password into the audit trail, whatever it is about.
func TestAuditHasNoSecrets(t *testing.T) {
	const secret = "open sesame"
	for _, request := range []any{
		Credentials{Address: "alice@example.test", Password: secret},
		[]Credentials{{Address: "alice@example.test", Password: secret}},
		AppPassword{Address: "alice@example.test", Name: "phone", Password: secret},
		AccountCode{Address: "alice@example.test", Code: secret},
		struct{ Anything string }{secret},
	} {
		subject, detail, changes := about(request)
		if strings.Contains(subject+detail, secret) || !changes {
			t.Errorf("%T: %q %q %v", request, subject, detail, changes)
		}
	}
}

// What changes nothing is not in the trail.
func TestAuditOfReading(t *testing.T) {
	for operation, want := range map[string]bool{
		SearchHistory.path: true, ListAccounts.path: true, ShowZone.path: true, Verify.path: true, ListDeleted.path: true,
		SetPassword.path: false, DeleteAlias.path: false, AddApp.path: false, OperateQueue.path: false,
	} {
		if reads(operation) != want {
			t.Errorf("%s: %v", operation, !want)
		}
	}
	quota := int64(5)
	for _, tc := range []struct {
		request any
		want    string
	}{
		{AccountSettings{Address: "alice@example.test", Quota: &quota}, `["alice@example.test","{\"quota\":5}",true]`},
		{Retention{Address: "alice@example.test", Days: map[string]int{"Trash": 30}}, `["alice@example.test","{\"days\":{\"Trash\":30}}",true]`},
		{Retention{Address: "alice@example.test"}, `["alice@example.test","{\"days\":null}",false]`},
		{AccountRename{Address: "alice@example.test", To: "a@example.test"}, `["alice@example.test","a@example.test",true]`},
		{POP3Settings{Address: "alice@example.test"}, `["alice@example.test","{\"address\":\"\"}",false]`},
		{UndeleteOrder{Name: "alice@example.test", Mailbox: "Trash", To: "INBOX", Restore: true}, `["alice@example.test","Trash INBOX",true]`},
		{UndeleteOrder{Name: "alice@example.test"}, `["alice@example.test","",false]`},
		{QueueOrder{Operation: "delete", DryRun: true}, `["","delete {}",false]`},
	} {
		subject, detail, changes := about(tc.request)
		if got, _ := json.Marshal([]any{subject, detail, changes}); string(got) != tc.want {
			t.Errorf("%+v: %s", tc.request, got)
		}
	}
}
