package directory

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"posthorn/internal/fault"
	"posthorn/internal/kv/memkv"
)

func TestOneTimeCodes(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	d := openOn(t, memkv.New(memkv.Options{Rerun: true}), Options{Hash: cheap(), Clock: func() time.Time { return now }})
	ctx := t.Context()
	fill(t, d, "@example.test", "alice@example.test")
	alice := address(t, "alice@example.test")
	wantKind(t, "none yet", d.VerifyTOTP(ctx, alice, "123456"), fault.NotFound)

	made, err := d.EnrolTOTP(ctx, alice, "mail.example.test")
	if err != nil || len(made.Recovery) != recoveryCodes {
		t.Fatal(made, err)
	}
	key, err := otp.NewKeyFromURL(made.URL) // as an app reads it
	if err != nil || key.Secret() != made.Secret || key.Issuer() != "mail.example.test" || key.AccountName() != "alice@example.test" || key.Type() != "totp" {
		t.Errorf("%s is read as %+v, %v", made.URL, key, err)
	}
	if u, err := url.Parse(made.URL); err != nil || u.Scheme != "otpauth" {
		t.Errorf("%s: %v", made.URL, err)
	}
	code := func(at time.Time) string {
		t.Helper()
		code, err := totp.GenerateCode(made.Secret, at)
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	login := func(password, protocol string) error {
		_, err := d.Authenticate(ctx, "alice@example.test", password, Use{protocol})
		return err
	}
	if err := login("secret", "imap"); err != nil {
		t.Errorf("before the codes count: %v", err)
	}
	wantKind(t, "before they count", d.VerifyTOTP(ctx, alice, code(now)), fault.NotFound)
	wantKind(t, "a wrong first one", d.ConfirmTOTP(ctx, alice, "000000"), fault.Unauthenticated)
	if err := d.ConfirmTOTP(ctx, alice, code(now)); err != nil {
		t.Fatal(err)
	}
	if needs, err := d.NeedsTOTP(ctx, alice); err != nil || !needs {
		t.Errorf("needs codes: %v, %v", needs, err)
	}

	wantKind(t, "the first one again", d.VerifyTOTP(ctx, alice, code(now)), fault.Unauthenticated)
	now = now.Add(2 * time.Minute)
	wantKind(t, "too old", d.VerifyTOTP(ctx, alice, code(now.Add(-time.Minute))), fault.Unauthenticated)
	next := code(now.Add(30 * time.Second)) // of a phone whose clock is fast
	if err := d.VerifyTOTP(ctx, alice, next[:3]+" "+next[3:]); err != nil {
		t.Errorf("half a minute ahead: %v", err)
	}
	wantKind(t, "earlier than the last", d.VerifyTOTP(ctx, alice, code(now)), fault.Unauthenticated)

	for _, protocol := range []string{"imap", "pop3", "smtp", "sieve", ""} {
		err := login("secret", protocol)
		wantKind(t, "the password alone for "+protocol, err, fault.Denied)
		var refusal *Refusal
		if !errors.As(err, &refusal) || !strings.Contains(refusal.Text, "app password") {
			t.Errorf("the password alone for %s: %v", protocol, err)
		}
		wantKind(t, "a wrong password for "+protocol, login("wrong", protocol), fault.Unauthenticated)
	}
	if err := login("secret", "web"); err != nil {
		t.Errorf("the password for the web: %v", err)
	}
	found := proves(t, scramOf(t, d, "alice@example.test", ScramSHA256), ScramSHA256, "secret")
	if len(found) != 1 || !fault.Is(found[0].Refused, fault.Denied) {
		t.Errorf("by SCRAM the password proves %+v", found)
	}
	_, app, err := d.AddApp(ctx, alice, NewApp{Name: "phone"})
	if err != nil || login(app, "imap") != nil {
		t.Errorf("an app password: %v, %v", err, login(app, "imap"))
	}

	if err := d.VerifyTOTP(ctx, alice, strings.ToUpper(made.Recovery[3])); err != nil {
		t.Errorf("a recovery code: %v", err)
	}
	wantKind(t, "the same again", d.VerifyTOTP(ctx, alice, made.Recovery[3]), fault.Unauthenticated)
	fresh, err := d.RenewRecovery(ctx, alice)
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, "an old recovery code", d.VerifyTOTP(ctx, alice, made.Recovery[4]), fault.Unauthenticated)
	if err := d.VerifyTOTP(ctx, alice, fresh[0]); err != nil {
		t.Errorf("a new recovery code: %v", err)
	}
	_, err = d.EnrolTOTP(ctx, alice, "x")
	wantKind(t, "twice", err, fault.Exists)
	if err := d.DisableTOTP(ctx, alice); err != nil || login("secret", "imap") != nil {
		t.Errorf("after the end: %v, %v", err, login("secret", "imap"))
	}
	wantKind(t, "ended twice", d.DisableTOTP(ctx, alice), fault.NotFound)
}

// TestGuessingCodes: after five wrong ones in a row there is a pause, even for the right one.
func TestGuessingCodes(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	d := openOn(t, memkv.New(memkv.Options{}), Options{Hash: cheap(), Clock: func() time.Time { return now }})
	ctx := t.Context()
	fill(t, d, "@example.test", "alice@example.test")
	alice := address(t, "alice@example.test")
	made, err := d.EnrolTOTP(ctx, alice, "mail.example.test")
	if err != nil {
		t.Fatal(err)
	}
	right := func() string {
		code, err := totp.GenerateCode(made.Secret, now)
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	for range maxWrongCodes {
		wantKind(t, "wrong", d.ConfirmTOTP(ctx, alice, "x"), fault.Unauthenticated)
	}
	wantKind(t, "right, but too early", d.ConfirmTOTP(ctx, alice, right()), fault.Limit)
	now = now.Add(codePause)
	if err := d.ConfirmTOTP(ctx, alice, right()); err != nil {
		t.Errorf("after the pause: %v", err)
	}
}

func TestStates(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	d := openOn(t, memkv.New(memkv.Options{Rerun: true}), Options{Hash: cheap(), Clock: func() time.Time { return now }})
	ctx := t.Context()
	fill(t, d, "@example.test", "alice@example.test", "bob@example.test", "both@example.test > alice@example.test bob@example.test")
	alice := address(t, "alice@example.test")
	for _, want := range []struct {
		state      State
		read, send bool
		mail, both Outcome
		recipients int // of both
	}{
		{StateReceiveOnly, true, false, Deliver, Deliver, 2},
		{StateNoLogin, false, false, Deliver, Deliver, 2},
		{StateSuspended, false, false, Suspended, Deliver, 2},
		{StateDisabled, false, false, Disabled, Deliver, 1},
		{StateActive, true, true, Deliver, Deliver, 2},
	} {
		if err := d.SetState(ctx, alice, want.state, "because"); err != nil {
			t.Fatal(err)
		}
		for protocol, may := range map[string]bool{"imap": want.read, "pop3": want.read, "smtp": want.send} {
			_, err := d.Authenticate(ctx, "alice@example.test", "secret", Use{protocol})
			if may != (err == nil) || !may && !fault.Is(err, fault.Denied) {
				t.Errorf("%v: %s: %v", want.state, protocol, err)
			}
			_, err = d.Authenticate(ctx, "alice@example.test", "wrong", Use{protocol})
			wantKind(t, want.state.String()+": wrong password", err, fault.Unauthenticated)
		}
		to, err := d.Resolve(ctx, alice)
		if err != nil || to.Outcome != want.mail {
			t.Errorf("%v: mail: %v, %v", want.state, to.Outcome, err)
		}
		to, err = d.Resolve(ctx, address(t, "both@example.test"))
		if err != nil || to.Outcome != want.both || len(to.Recipients) != want.recipients {
			t.Errorf("%v: mail for both: %v to %v, %v", want.state, to.Outcome, to.Recipients, err)
		}
		if a, err := d.Account(ctx, alice); err != nil || a.State != want.state || a.Reason != "because" || !a.Since.Equal(now) {
			t.Errorf("%v: %+v, %v", want.state, a, err)
		}
	}
	wantKind(t, "no such state", d.SetState(ctx, alice, "asleep", ""), fault.Invalid)
	if err := d.Verify(ctx, func(problem string) { t.Error(problem) }); err != nil {
		t.Error(err)
	}
}

func TestMechanismsOff(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test")
	alice := address(t, "alice@example.test")
	if err := d.SetOff(ctx, alice, []string{"plain", "LOGIN", "login"}); err != nil {
		t.Fatal(err)
	}
	a, err := d.Account(ctx, alice)
	if err != nil || strings.Join(a.Off, " ") != "LOGIN PLAIN" {
		t.Errorf("off: %v, %v", a.Off, err)
	}
	wantKind(t, "PLAIN", a.Allows("PLAIN"), fault.Denied)
	if err := a.Allows("SCRAM-SHA-256"); err != nil {
		t.Error(err)
	}
	wantKind(t, "no mechanism", d.SetOff(ctx, alice, []string{"ROT13"}), fault.Invalid)
}
