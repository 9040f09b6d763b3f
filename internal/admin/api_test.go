package admin

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp/totp"

	"posthorn/internal/audit"
	"posthorn/internal/fault"
	"posthorn/internal/login"
	"posthorn/internal/obs"
)

// ring asks the API of a world, as a client over HTTP does.
type ring struct {
	*world
	handler http.Handler
	header  http.Header
	remote  string
	method  string
}

func newRing(t *testing.T) *ring {
	w := newWorld(t)
	gate := login.New(login.Options{Directory: w.o.Directory, InClear: true, Recorder: trail{w.o.Audit}})
	exempt := func(ip netip.Addr) bool { return ip == netip.MustParseAddr("192.0.2.99") }
	return &ring{w, NewAPI(w.Admin).Handler(gate, exempt), http.Header{"Content-Type": {"application/json"}}, "192.0.2.1", http.MethodPost}
}

func (r *ring) as(user, password string) *ring {
	r.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	return r
}

func (r *ring) ask(path, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(r.method, path, strings.NewReader(body))
	for name, values := range r.header {
		request.Header[name] = values
	}
	ctx := WithConnection(request.Context(), login.Peer{Remote: netip.MustParseAddr(r.remote), Conn: "conn1"})
	answer := httptest.NewRecorder()
	r.handler.ServeHTTP(answer, request.WithContext(ctx))
	return answer
}

func (r *ring) want(path, body string, status int, text string) {
	r.t.Helper()
	answer := r.ask(path, body)
	if got := answer.Body.String(); answer.Code != status || !strings.Contains(got, text) {
		r.t.Errorf("%s %s %.100q: %d %s, want %d %s", r.method, path, body, answer.Code, got, status, text)
	}
	if (answer.Code == http.StatusUnauthorized) != (answer.Header().Get("WWW-Authenticate") != "") {
		r.t.Errorf("%s: %d, WWW-Authenticate %q", path, answer.Code, answer.Header().Get("WWW-Authenticate"))
	}
	if answer.Header().Get("Cache-Control") != "no-store" || len(answer.Header()["Set-Cookie"]) > 0 {
		r.t.Errorf("%s: header %v", path, answer.Header())
	}
}

const listPath = "/api/v1/account/list"

// TestAPI: who comes in, and with what request.
func TestAPI(t *testing.T) {
	r := newRing(t)
	r.want(listPath, "{}", 401, "log in with the address and the password")
	for _, who := range [][2]string{{"alice@one.test", "wrong"}, {"nobody@one.test", "secret"}, {"nobody@six.test", "secret"}, {"", ""}, {"\x00", "secret"}} {
		r.as(who[0], who[1]).want(listPath, "{}", 401, `{"kind":"not authenticated","error":"wrong user, password or one-time code"}`)
	}
	r.as("alice@one.test", "secret").want(listPath, "{}", 200, `"address":"bob@one.test"`)
	r.want("/api/v1/no/such", "{}", 501, "has no operation /v1/no/such")
	r.want("/api/v2/account/list", "{}", 404, "nothing here")
	r.want("/v1/account/list", "{}", 404, "nothing here")
	r.want("/api/v1/../../v1/account/list", "{}", 307, "") // a path is what it says
	r.want(listPath, "{", 400, "is not the JSON of account/list")
	r.want("/api/v1/message/send", "{}\nSubject: x\r\n", 403, "not for you")
	r.want("/api/v1/account/import", "["+strings.Repeat(" ", largestRequest)+"]", 413, "larger than 1048576 bytes")
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodOptions} {
		r.method = method
		r.want(listPath, "", 501, "asked for with POST")
	}
	r.method = http.MethodPost
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"} {
		r.header.Set("Content-Type", kind)
		r.want(listPath, "{}", 400, "application/json")
	}
	r.header.Set("Content-Type", "application/json; charset=utf-8")
	r.want(listPath, "{}", 200, "alice")
	r.header.Set("Sec-Fetch-Site", "cross-site")
	r.want(listPath, "{}", 403, "pages from elsewhere")
	r.header.Del("Sec-Fetch-Site")
	r.header.Set("Origin", "https://evil.test")
	r.want(listPath, "{}", 403, "pages from elsewhere")
	r.header.Del("Origin")

	all := Local(r.Admin)
	must(t, SetState, all, AccountState{Address: "alice@one.test", State: "disabled"})
	r.want(listPath, "{}", 403, "This account is disabled")
	r.as("alice@one.test", "wrong").want(listPath, "{}", 401, "wrong user")
	must(t, SetState, all, AccountState{Address: "alice@one.test", State: "active"})
	must(t, RemoveDomainAdmin, all, DomainAdmin{"one.test", "alice@one.test"})
	r.as("alice@one.test", "secret").want(listPath, "{}", 403, "not for you")
}

// TestUnknownConnection: what did not come through a listener of ours gets nothing.
func TestUnknownConnection(t *testing.T) {
	r := newRing(t).as("alice@one.test", "secret")
	request := httptest.NewRequest(http.MethodPost, listPath, strings.NewReader("{}"))
	request.Header = r.header
	answer := httptest.NewRecorder()
	if r.handler.ServeHTTP(answer, request); answer.Code != 500 {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if _, err := r.listAccounts(t.Context(), Nothing{}); err != nil {
		t.Fatal(err)
	}
	if all, _ := r.listAccounts(t.Context(), Nothing{}); len(all) != 0 {
		t.Errorf("a context without a caller sees %+v", all)
	}
	if err := r.authorize(t.Context(), ListAccounts.path, Nothing{}); !fault.Is(err, fault.Denied) {
		t.Errorf("a context without a caller: %v", err)
	}
}

// TestSecondProof: an account with one-time codes needs one, and app passwords are not for
// people.
func TestSecondProof(t *testing.T) {
	r := newRing(t)
	all := Local(r.Admin)
	app := must(t, AddApp, all, AppPassword{Address: "alice@one.test", Name: "phone"})
	r.as("alice@one.test", app.Password).want(listPath, "{}", 403, "App passwords are for mail programs")
	enrolled := must(t, EnrolTOTP, all, Name{"alice@one.test"})
	now := time.Now()
	code := func(at time.Time) string {
		code, err := totp.GenerateCode(enrolled.Secret, at)
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	must(t, ConfirmTOTP, all, AccountCode{Address: "alice@one.test", Code: code(now)})
	r.as("alice@one.test", "secret").want(listPath, "{}", 403, "guarded by one-time codes")
	r.header.Set(codeHeader, code(now)) // used already
	r.want(listPath, "{}", 401, "wrong user, password or one-time code")
	r.header.Set(codeHeader, enrolled.Recovery[0])
	r.want(listPath, "{}", 200, "bob@one.test")
	r.want(listPath, "{}", 401, "one-time code")
	r.as("alice@one.test", "wrong").header.Set(codeHeader, enrolled.Recovery[1])
	r.want(listPath, "{}", 401, "one-time code")
	r.as("alice@one.test", "secret").want(listPath, "{}", 200, "") // a wrong password has not used it up
}

// TestRatesOfTheAPI: requests of a client and of an account are bounded, but for exempt networks.
func TestRatesOfTheAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRing(t)
		const path = "/api/v1/domain/list"
		r.as("alice@one.test", "secret")
		for range requestLimit().Count {
			r.want(path, "{}", 200, "")
		}
		answer := r.ask(path, "{}")
		if answer.Code != 429 || answer.Header().Get("Retry-After") != "1" {
			t.Errorf("%d %v", answer.Code, answer.Header())
		}
		r.remote = "192.0.2.2"
		r.want(path, "{}", 429, "try again in 1 s") // the account's, whichever network it is in
		r.as("bob@one.test", "secret").want(path, "{}", 403, "not for you")
		r.remote = "192.0.2.99"
		r.as("alice@one.test", "secret").want(path, "{}", 200, "")
		r.remote = "192.0.2.1"
		time.Sleep(time.Minute)
		r.want(path, "{}", 200, "")
		r.o.Audit.Close(t.Context())
		r.o.History.Close(t.Context())
	})
}

// TestRequestsAtOnce: an account has few at a time.
func TestRequestsAtOnce(t *testing.T) {
	r := newRing(t).as("alice@one.test", "secret")
	var held []*io.PipeWriter
	began, ended := make(chan struct{}), make(chan struct{})
	for range requestsAtOnce {
		body, hold := io.Pipe()
		held = append(held, hold)
		request := httptest.NewRequest(http.MethodPost, listPath, body)
		request.Header = r.header.Clone()
		request = request.WithContext(WithConnection(t.Context(), login.Peer{Remote: netip.MustParseAddr(r.remote)}))
		go func() {
			r.handler.ServeHTTP(httptest.NewRecorder(), request)
			ended <- struct{}{}
		}()
		go func() {
			hold.Write([]byte("{")) // taken once the request is being read
			began <- struct{}{}
		}()
	}
	for range held {
		<-began
	}
	r.want(listPath, "{}", 429, "too many requests")
	for _, hold := range held {
		hold.Close()
	}
	for range held {
		<-ended
	}
	r.want(listPath, "{}", 200, "")
}

// TestAuditOfAccounts: the trail says who has changed what, from where, and what he was not let;
// and tells everybody of his own logins only.
func TestAuditOfAccounts(t *testing.T) {
	r := newRing(t)
	r.as("alice@one.test", "secret").want("/api/v1/account/passwd", `{"address":"bob@one.test","password":"open sesame"}`, 200, "")
	r.want("/api/v1/account/passwd", `{"address":"erin@two.test","password":"open sesame"}`, 404, "")
	r.as("bob@one.test", "wrong").want(listPath, "{}", 401, "")
	r.as("bob@one.test", "open sesame").want("/api/v1/audit/search", `{"who":"alice@one.test"}`, 200, `"event":"authentication failed","user":"bob@one.test"`)
	answer := r.ask("/api/v1/audit/search", `{"what":["change"],"ip":"192.0.2.1"}`).Body.String()
	for _, foreign := range []string{"alice", "erin", "administered"} {
		if strings.Contains(answer, foreign) {
			t.Errorf("bob reads %s", answer)
		}
	}
	var got []string
	for _, e := range must(t, SearchAudit, Local(r.Admin), AuditQuery{Who: "alice@one.test", What: []string{"change"}}).Entries {
		if e.By == "alice@one.test" {
			got = append(got, strings.Join([]string{e.Operation, e.User, e.IP, e.Protocol, e.Conn, e.Error}, " "))
		}
	}
	want := "account/passwd bob@one.test 192.0.2.1 admin conn1 \naccount/passwd erin@two.test 192.0.2.1 admin conn1 there is no account erin@two.test"
	if strings.Join(got, "\n") != want {
		t.Errorf("the trail of alice:\n%s", strings.Join(got, "\n"))
	}
}

// trail records logins as the server does.
type trail struct{ log *audit.Log }

func (tr trail) Record(_ context.Context, a *login.Attempt) {
	e := &obs.Event{Kind: obs.LoggedIn, User: a.Identity.Name, Protocol: a.Peer.Protocol, Remote: a.Peer.Remote}
	if a.Err != nil {
		e.Kind, e.User, e.Error = obs.AuthFailed, a.User, a.Err.Error()
	}
	tr.log.Record(e)
}
