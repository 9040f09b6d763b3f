package cli

import (
	"crypto/x509"
	"fmt"
	"os"

	"golang.org/x/term"

	"posthorn/internal/admin"
	"posthorn/internal/fault"
)

// remote are the flags with which a command works on a server elsewhere, as one of its
// accounts.
type remote struct {
	Server           string `help:"Work on the server at this URL, not on this machine: with --user ADDRESS, and as needed --user-password-file FILE, --user-code CODE, --server-ca FILE." placeholder:"URL"`
	User             string `help:"With --server: the account's address." placeholder:"ADDRESS" env:"POSTHORN_USER" hidden:""`
	UserPasswordFile string `help:"With --server: file whose first line is its password; - is standard input. Without it you are asked." placeholder:"FILE" env:"POSTHORN_USER_PASSWORD_FILE" hidden:""`
	UserCode         string `help:"With --server: a one-time code, if the account is guarded by these." placeholder:"CODE" hidden:""`
	ServerCA         string `name:"server-ca" help:"With --server: PEM file of who vouches for its certificate, or with that itself." placeholder:"FILE" env:"POSTHORN_SERVER_CA" hidden:""`
}

func (r *remote) dial(e *environment) (*admin.Client, error) {
	if r.User == "" {
		return nil, fault.New(fault.Invalid, "as whom? Give --user ADDRESS")
	}
	to := admin.Remote{URL: r.Server, User: r.User, Code: r.UserCode}
	if r.ServerCA != "" {
		text, err := os.ReadFile(r.ServerCA)
		if err != nil {
			return nil, fault.New(fault.NotFound, "%w", err)
		}
		to.Roots = x509.NewCertPool()
		if !to.Roots.AppendCertsFromPEM(text) {
			return nil, fault.New(fault.Invalid, "there is no certificate in %s", r.ServerCA)
		}
	}
	var err error
	if to.Password, err = r.password(e); err != nil {
		return nil, err
	}
	return admin.DialRemote(to)
}

// password finds the password to log in with: in a file, or from a person.
func (r *remote) password(e *environment) (string, error) {
	if r.UserPasswordFile != "" {
		return passwordFile{r.UserPasswordFile}.password(e, r.User)
	}
	fd, ok := e.terminal()
	if !ok {
		return "", fault.New(fault.Invalid, "where is the password of %s? Give --user-password-file FILE", r.User)
	}
	fmt.Fprintf(e.Err, "Password of %s for %s: ", r.User, r.Server)
	answer, err := term.ReadPassword(fd)
	fmt.Fprintln(e.Err)
	return string(answer), err
}
