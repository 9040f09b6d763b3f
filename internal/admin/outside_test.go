package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/queue"
)

// world is a server with two customers: alice administers one.test, mallory two.test.
type world struct {
	*Admin
	t      *testing.T
	engine kv.Engine
	mux    *bound
}

func newWorld(t *testing.T) *world {
	a, engine := newAdminOn(t)
	w := &world{a, t, engine, a.operations()}
	c := Local(a)
	for _, name := range []string{"one.test", "two.test"} {
		must(t, AddDomain, c, Name{name})
	}
	must(t, AliasDomain, c, Domain{Name: "uno.test", AliasOf: "one.test"})
	for _, name := range []string{
		"alice@one.test", "bob@one.test", "root@one.test", "both@one.test", "mallory@two.test", "erin@two.test", "gone@two.test", "left@one.test",
	} {
		must(t, AddAccount, c, Credentials{Address: name, Password: "secret"})
	}
	must(t, DeleteAccount, c, Name{"gone@two.test"})
	must(t, DeleteAccount, c, Name{"left@one.test"})
	must(t, AddAlias, c, Alias{Address: "sales@two.test", Targets: []string{"erin@two.test", "bob@one.test"}})
	must(t, AddAlias, c, Alias{Address: "team@one.test", Targets: []string{"bob@one.test", "erin@two.test"}})
	must(t, AddApp, c, AppPassword{Address: "erin@two.test", Name: "phone"})
	for domain, names := range map[string][]string{"one.test": {"alice@one.test", "both@one.test"}, "two.test": {"mallory@two.test", "both@one.test"}} {
		for _, name := range names {
			must(t, AddDomainAdmin, c, DomainAdmin{domain, name})
		}
	}
	return w
}

// as gives a client that asks as an account.
func (w *world) as(name string) *Client {
	w.t.Helper()
	address, err := addr.Parse(name)
	if err != nil {
		w.t.Fatal(err)
	}
	account, err := w.o.Directory.Account(w.t.Context(), address)
	if err != nil {
		w.t.Fatal(err)
	}
	domains, err := w.o.Directory.Administers(w.t.Context(), account.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	c := &caller{account: account.ID, name: name, domains: domains}
	return &Client{base: here, transport: inProcess{http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mux.ServeHTTP(rw, r.WithContext(withCaller(r.Context(), c)))
	})}}
}

// requests are one of each operation that somebody besides the operator may ask for,
// about an address and its domain.
func requests(address string) map[string]any {
	domain := address[strings.IndexByte(address, '@')+1:]
	quota, days := int64(1), map[string]int{"Trash": 1}
	return map[string]any{
		ShowZone.path: Name{domain}, CheckDomain.path: Name{domain}, ListKeys.path: Name{domain}, SetCatchAll.path: Domain{Name: domain},
		AddAccount.path: Credentials{Address: address, Password: "x"}, ImportAccounts.path: []Credentials{{Address: address, Password: "x"}},
		ShowAccount.path: Name{address}, SetPassword.path: Credentials{Address: address, Password: "x"}, DeleteAccount.path: Name{address},
		ForwardAccount.path: Account{Address: address}, SetAccount.path: AccountSettings{Address: address, Quota: &quota},
		SetPOP3.path: POP3Settings{Address: address}, UndeleteAccount.path: AccountRename{Address: address},
		RenameAccount.path: AccountRename{Address: address, To: "new@one.test"}, SetRetention.path: Retention{Address: address, Days: days},
		SetState.path: AccountState{Address: address, State: "disabled"}, SetMechanisms.path: AccountMechanisms{Address: address},
		AddApp.path: AppPassword{Address: address, Name: "new"}, ListApps.path: Name{address}, RemoveApp.path: AppPassword{Address: address, Name: "phone"},
		DisableTOTP.path: Name{address}, AddAlias.path: Alias{Address: address, Targets: []string{"bob@one.test"}}, DeleteAlias.path: Name{address},
	}
}

// TestOutsideIsNotThere: what is outside of somebody's domains looks to the byte like what
// does not exist at all, and nothing of it changes.
func TestOutsideIsNotThere(t *testing.T) {
	w := newWorld(t)
	before := w.everything()
	strangers := []string{"erin@two.test", "sales@two.test", "gone@two.test", "root@two.test", "nobody@two.test", "erin@six.test"}
	for _, who := range []string{"alice@one.test", "bob@one.test"} {
		for _, path := range w.mux.paths {
			if need := rightTo(path); need < toSee || need == toAll {
				continue
			}
			if requests("x@y.test")[path] == nil {
				t.Errorf("%s: there is no request to try it with", path)
			}
			answers := map[string]string{}
			for _, stranger := range strangers {
				answer := w.ask(who, path, requests(stranger)[path])
				local, domain, _ := strings.Cut(stranger, "@")
				answer = strings.NewReplacer(stranger, "ADDRESS", domain, "DOMAIN", local, "LOCAL").Replace(answer)
				answers[answer] += " " + stranger
			}
			if len(answers) != 1 {
				t.Errorf("%s as %s tells strangers apart: %q", path, who, answers)
			}
			for answer := range answers {
				if !strings.HasPrefix(answer, "404 ") {
					t.Errorf("%s as %s: %s", path, who, answer)
				}
			}
		}
	}
	if after := w.everything(); after != before {
		t.Errorf("something has changed:\n%s\n%s", before, after)
	}
}

// ask gives the status and the body of an answer.
func (w *world) ask(who, path string, request any) string {
	w.t.Helper()
	body, err := json.Marshal(request)
	if err != nil {
		w.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, here+pathPrefix+path, strings.NewReader(string(body)))
	answer, err := w.as(who).transport.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprint(answer.StatusCode, " ", string(text))
}

// everything is all that the operator can see of domains, accounts and aliases.
func (w *world) everything() string {
	w.t.Helper()
	c := Local(w.Admin)
	text, err := json.Marshal([]any{
		must(w.t, ListDomains, c, Nothing{}), must(w.t, ListAccounts, c, Nothing{}), must(w.t, ListDeleted, c, Nothing{}),
		must(w.t, ListAliases, c, Nothing{}), must(w.t, ExportRoster, c, Nothing{}), must(w.t, ListApps, c, Name{"erin@two.test"}),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// TestListsOfAnAdmin: they have what is his, and only that.
func TestListsOfAnAdmin(t *testing.T) {
	w := newWorld(t)
	for who, want := range map[string]string{
		"alice@one.test": "one.test uno.test | alice@one.test bob@one.test root@one.test both@one.test | left@one.test | team@one.test",
		"both@one.test": "one.test two.test uno.test | alice@one.test bob@one.test root@one.test both@one.test mallory@two.test erin@two.test | " +
			"gone@two.test left@one.test | team@one.test sales@two.test",
	} {
		c := w.as(who)
		var words []string
		for _, d := range must(t, ListDomains, c, Nothing{}) {
			words = append(words, d.Name)
		}
		words = append(words, "|")
		for _, a := range must(t, ListAccounts, c, Nothing{}) {
			words = append(words, a.Address)
		}
		words = append(words, "|")
		for _, a := range must(t, ListDeleted, c, Nothing{}) {
			words = append(words, a.Address)
		}
		words = append(words, "|")
		for _, a := range must(t, ListAliases, c, Nothing{}) {
			words = append(words, a.Address)
		}
		if got := strings.Join(words, " "); got != want {
			t.Errorf("%s: %s\nwant %s", who, got, want)
		}
	}
	shown := must(t, ShowAccount, w.as("alice@one.test"), Name{"bob@one.test"})
	if strings.Join(shown.Aliases, " ") != "team@one.test" {
		t.Errorf("aliases of bob: %q", shown.Aliases)
	}
	shown = must(t, ShowAccount, w.as("alice@one.test"), Name{"both@uno.test"})
	if strings.Join(shown.Administers, " ") != "one.test uno.test" {
		t.Errorf("both administers %q", shown.Administers)
	}
	mustFail(t, ListAccounts, w.as("bob@one.test"), Nothing{}, fault.Denied, "account list is not for you")
}

// TestNobodyRaisesHisRights: what an admin might try.
func TestNobodyRaisesHisRights(t *testing.T) {
	w := newWorld(t)
	c, all := w.as("alice@one.test"), Local(w.Admin)
	before := w.everything()

	mustFail(t, AddDomain, c, Name{"new.test"}, fault.Denied, "not for you")
	mustFail(t, AddDomainAdmin, c, DomainAdmin{"one.test", "bob@one.test"}, fault.Denied, "not for you")
	mustFail(t, AddDomainAdmin, c, DomainAdmin{"two.test", "alice@one.test"}, fault.Denied, "not for you")
	mustFail(t, ExportRoster, c, Nothing{}, fault.Denied, "not for you")
	mustFail(t, SetDomain, c, DomainSettings{Domain: "one.test"}, fault.Denied, "not for you")
	if _, err := c.Send(t.Context(), Envelope{}, strings.NewReader("x\r\n")); !fault.Is(err, fault.Denied) {
		t.Errorf("send: %v", err)
	}
	for _, name := range []string{"both@one.test", "both@uno.test", "BOTH@one.test", "root@one.test"} {
		const why = "has rights that you have not"
		mustFail(t, SetPassword, c, Credentials{Address: name, Password: "x"}, fault.Denied, why)
		mustFail(t, AddApp, c, AppPassword{Address: name, Name: "x"}, fault.Denied, why)
		mustFail(t, DisableTOTP, c, Name{name}, fault.Denied, why)
		mustFail(t, DeleteAccount, c, Name{name}, fault.Denied, why)
		mustFail(t, ForwardAccount, c, Account{Address: name, Forward: []string{"alice@one.test"}}, fault.Denied, why)
		mustFail(t, RenameAccount, c, AccountRename{Address: name, To: "x@one.test"}, fault.Denied, why)
	}
	must(t, DeleteAccount, all, Name{"root@one.test"})
	mustFail(t, AddAccount, c, Credentials{Address: "ROOT@one.test", Password: "x"}, fault.Denied, "has rights")
	mustFail(t, ImportAccounts, c, []Credentials{{Address: "new@one.test", Password: "x"}, {Address: "root@one.test", Password: "x"}}, fault.Denied, "has rights")
	mustFail(t, RenameAccount, c, AccountRename{Address: "bob@one.test", To: "root@one.test"}, fault.Denied, "has rights")
	mustFail(t, UndeleteAccount, c, AccountRename{Address: "root@one.test"}, fault.Denied, "has rights")
	mustFail(t, UndeleteAccount, c, AccountRename{Address: "left@one.test", To: "root@one.test"}, fault.Denied, "has rights")
	must(t, UndeleteAccount, all, AccountRename{Address: "root@one.test"})

	mustFail(t, RenameAccount, c, AccountRename{Address: "bob@one.test", To: "bob@two.test"}, fault.NotFound, "there is no account bob@two.test")
	mustFail(t, RenameAccount, w.as("both@one.test"), AccountRename{Address: "bob@one.test", To: "bob@two.test"}, fault.Denied, "only the operator")
	mustFail(t, UndeleteAccount, w.as("both@one.test"), AccountRename{Address: "left@one.test", To: "left@two.test"}, fault.Denied, "only the operator")
	for _, stranger := range []string{"erin@two.test", "nobody@two.test"} {
		text := "there is no account " + stranger
		mustFail(t, AddAlias, c, Alias{Address: "x@one.test", Targets: []string{"bob@one.test", stranger}}, fault.NotFound, text)
		mustFail(t, ForwardAccount, c, Account{Address: "bob@one.test", Forward: []string{stranger}}, fault.NotFound, text)
		mustFail(t, SetCatchAll, c, Domain{Name: "one.test", CatchAll: stranger}, fault.NotFound, text)
		mustFail(t, ImportAccounts, c, []Credentials{{Address: "new@one.test", Password: "x"}, {Address: stranger, Password: "x"}}, fault.NotFound, text)
	}
	// sales@two.test points to bob, but that is nothing for alice to know.
	if _, err := DeleteAccount.Call(t.Context(), c, Name{"bob@one.test"}); !fault.Is(err, fault.InUse) || strings.Contains(err.Error(), "two.test") {
		t.Errorf("delete what strangers point to: %v", err)
	}
	mustFail(t, OperateQueue, c, QueueOrder{Operation: "reroute", Route: "[127.0.0.1]:25"}, fault.Denied, "queue reroute is not for you")
	mustFail(t, OperateQueue, c, QueueOrder{Operation: "release"}, fault.Denied, "queue release is not for you")
	if after := w.everything(); after != before {
		t.Errorf("something has changed:\n%s\n%s", before, after)
	}
}

// TestLimitsOfAnAdmin: he gives no more than the operator allows, or has given.
func TestLimitsOfAnAdmin(t *testing.T) {
	w := newWorld(t)
	c, all := w.as("alice@one.test"), Local(w.Admin)
	quota := func(c *Client, n int64, denied bool) {
		t.Helper()
		_, err := SetAccount.Call(t.Context(), c, AccountSettings{Address: "bob@one.test", Quota: &n})
		if fault.Is(err, fault.Denied) != denied || err != nil && !denied {
			t.Errorf("quota %d: %v, denied: want %v", n, err, denied)
		}
	}
	quota(c, 1000, false) // there was none
	quota(c, 0, true)
	quota(c, 1001, true)
	quota(c, 500, false)
	quota(all, 700, false)
	quota(c, 701, true)
	five := int64(5000)
	must(t, SetDomain, all, DomainSettings{Domain: "one.test", Quota: &five})
	quota(c, 5000, false)
	quota(c, 5001, true)
	quota(c, 0, true)
	quota(all, 9000, false)
	quota(c, 9000, true)
	one := int64(1)
	must(t, SetAccount, all, AccountSettings{Address: "bob@one.test", Messages: &five})
	mustFail(t, SetAccount, c, AccountSettings{Address: "bob@one.test", Messages: new(int64)}, fault.Denied, "allows 5000 at most")
	must(t, SetAccount, c, AccountSettings{Address: "bob@one.test", Messages: &one})

	must(t, AddAccount, c, Credentials{Address: "new@one.test", Password: "x"})
	if shown := must(t, ShowAccount, c, Name{"new@one.test"}); shown.Quota != 5000 {
		t.Errorf("a new account may have %d", shown.Quota)
	}
	must(t, SetState, all, AccountState{Address: "bob@one.test", State: "suspended", Reason: "sends spam"})
	mustFail(t, SetState, c, AccountState{Address: "bob@one.test", State: "active"}, fault.Denied, "the operator has made bob@one.test suspended")
	must(t, SetState, c, AccountState{Address: "new@one.test", State: "suspended"})
	must(t, SetState, c, AccountState{Address: "new@one.test", State: "active"})
}

// TestOwn: what everybody may do with what is his own.
func TestOwn(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"bob@one.test", "both@one.test", "root@one.test"} {
		c := w.as(name)
		made := must(t, AddApp, c, AppPassword{Address: name, Name: "phone"})
		if made.Password == "" || len(must(t, ListApps, c, Name{name})) != 1 {
			t.Errorf("%s: %+v", name, made)
		}
		must(t, RemoveApp, c, AppPassword{Address: name, Name: "phone"})
		must(t, SetPassword, c, Credentials{Address: name, Password: "another"})
		address, _ := addr.Parse(name)
		if _, err := w.o.Directory.Authenticate(t.Context(), address.String(), "another", directory.Use{Protocol: "imap"}); err != nil {
			t.Error(err)
		}
	}
	// Nobody is told that he does not exist.
	mustFail(t, ShowAccount, w.as("bob@one.test"), Name{"bob@one.test"}, fault.Denied, "account show is not for you")
	mustFail(t, SetState, w.as("bob@one.test"), AccountState{Address: "bob@one.test", State: "active"}, fault.Denied, "not for you")
	mustFail(t, SetAccount, w.as("bob@one.test"), AccountSettings{Address: "bob@one.test", Quota: new(int64)}, fault.Denied, "not for you")
	mustFail(t, RenameAccount, w.as("bob@one.test"), AccountRename{Address: "bob@one.test", To: "erin@two.test"}, fault.Denied, "not for you")
	mustFail(t, ShowAccount, w.as("bob@one.test"), Name{"both@one.test"}, fault.NotFound, "there is no account")
}

// enqueue puts a message into the queue.
func (w *world) enqueue(by uint64, from string, to ...string) string {
	w.t.Helper()
	m := &queue.Message{ID: queue.NewID(time.Now()), Account: by, Created: time.Now(), Body: queue.Body{Data: []byte("x\r\n")}}
	m.From, _ = addr.Parse(from)
	for _, text := range to {
		address, err := addr.Parse(text)
		if err != nil {
			w.t.Fatal(err)
		}
		m.Recipients = append(m.Recipients, queue.Recipient{Address: address})
	}
	err := w.engine.Update(w.t.Context(), []kv.Shard{queue.ShardOf(m.ID)}, func(tx kv.Tx) error { return queue.Put(tx.In(queue.ShardOf(m.ID)), m) })
	if err != nil {
		w.t.Fatal(err)
	}
	return string(m.ID)
}

// TestQueueOfAnAdmin: of the queue there is what concerns his domains, recipient by recipient.
func TestQueueOfAnAdmin(t *testing.T) {
	w := newWorld(t)
	bob, erin := w.number("bob@one.test"), w.number("erin@two.test")
	sent := w.enqueue(bob, "bob@one.test", "x@elsewhere.test", "erin@two.test")
	mixed := w.enqueue(erin, "erin@two.test", "bob@uno.test", "y@elsewhere.test")
	forged := w.enqueue(0, "bob@one.test", "z@elsewhere.test")
	foreign := w.enqueue(erin, "erin@two.test", "v@elsewhere.test")
	c := w.as("alice@one.test")
	view := func() string {
		t.Helper()
		var all []string
		for _, id := range []string{sent, mixed, forged, foreign} {
			for _, m := range must(t, ListQueue, c, QueueFilter{IDs: []string{id}}).Messages {
				for _, to := range m.Recipients {
					all = append(all, to.Address)
				}
			}
		}
		return strings.Join(all, " ")
	}
	const his = "x@elsewhere.test erin@two.test bob@uno.test"
	if got := view(); got != his {
		t.Errorf("listed: %s", got)
	}
	if list := must(t, ListQueue, c, QueueFilter{}); len(list.Messages) != 2 {
		t.Errorf("listed %+v", list)
	}
	for _, part := range []string{"y@", "v@"} {
		if list := must(t, ListQueue, c, QueueFilter{Recipient: part}); len(list.Messages) != 0 {
			t.Errorf("a search for what is hidden finds %+v", list)
		}
	}
	if shown := must(t, ShowQueue, c, Name{mixed}); len(shown.Recipients) != 1 {
		t.Errorf("shown %+v", shown)
	}
	mustFail(t, ShowQueue, c, Name{foreign}, fault.NotFound, "there is no message "+foreign)
	none := string(queue.NewID(time.Now()))
	mustFail(t, ShowQueue, c, Name{none}, fault.NotFound, "there is no message "+none)
	for _, operation := range []string{"retry", "bounce", "delete"} {
		done := must(t, OperateQueue, c, QueueOrder{Operation: operation, Filter: QueueFilter{IDs: []string{foreign, forged, none}}})
		if len(done.Messages) != 0 || strings.Join(done.Missing, " ") != strings.Join([]string{foreign, forged, none}, " ") {
			t.Errorf("%s: %+v", operation, done)
		}
	}
	done := must(t, OperateQueue, c, QueueOrder{Operation: "delete"})
	if done.Recipients != 3 || view() != "" {
		t.Errorf("deleted %+v, left %s", done, view())
	}
	left := 0
	for _, m := range must(t, ListQueue, Local(w.Admin), QueueFilter{}).Messages {
		left += len(m.Recipients)
	}
	if left != 3 { // y, z, v
		t.Errorf("%d recipients of others are left", left)
	}
}

func (w *world) number(name string) uint64 {
	return must(w.t, ShowAccount, Local(w.Admin), Name{name}).ID
}
