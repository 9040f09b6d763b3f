package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"

	"posthorn/internal/addr"
	"posthorn/internal/admin"
	"posthorn/internal/config"
	"posthorn/internal/fault"
)

// The exit codes of sendmail, which programs that call it know (sysexits.h).
const (
	exUsage       = 64 // the command was not understood
	exData        = 65 // the message or an address makes no sense
	exNoUser      = 67 // there is no such recipient
	exUnavailable = 69 // the message is refused
	exSoftware    = 70 // a defect
	exIO          = 74 // the message cannot be read
	exTemporary   = 75 // try again later
	exConfig      = 78 // the configuration is wrong, or not there
)

// systemConfig is the configuration of a program that is called as sendmail, which
// may happen in any folder.
const systemConfig = "/etc/posthorn/posthorn.toml"

// Arguments turns what the program was called with into a command line: under the
// name of sendmail or mailq it behaves like these.
func Arguments(called []string) []string {
	if len(called) == 0 {
		return nil
	}
	var as []string
	switch filepath.Base(called[0]) {
	case "sendmail":
		as = []string{"sendmail"}
	case "mailq":
		as = []string{"sendmail", "-bp"}
	default:
		return called[1:]
	}
	if os.Getenv("POSTHORN_CONFIG") == "" {
		as = append([]string{"--config", systemConfig}, as...)
	}
	return append(as, called[1:]...)
}

type sendmailCommand struct {
	Args []string `arg:"" optional:"" name:"argument" help:"As sendmail takes them; see: posthorn sendmail --help."`
}

const sendmailUsage = `Usage: posthorn sendmail [flags] [recipient ...]

Sends the message on standard input, as sendmail does. The program may also be called under that name.

  -t            Send to those in To, Cc and Bcc, besides the recipients that are given.
  -i, -oi       A line with only a dot does not end the message.
  -f ADDRESS    The sender; <> for none. Default: the user who calls. (Also -r.)
  -F NAME       The sender's name, if the message has no From.
  -N LIST       When to send word: never, or a list of success, failure, delay.
  -R full|hdrs  How much of the message comes back with such word.
  -V ID         What it shall name the message.
  -bp           List the queue.
  -C FILE       The configuration file.
  --submit HOST:PORT
                Hand the message over by SMTP, instead of through the control socket of the
                server. That is what happens, too, if the user may not open the socket.

Other flags of sendmail's are accepted where they change nothing here. A message is for all of its
recipients or for none; over SMTP, for those whom the server takes. Exit codes are those of
sysexits.h: 64 wrong usage, 65 wrong address or message, 67 no such recipient, 69 refused, 74 the
message cannot be read, 75 try again later, 78 no configuration.
`

func (c *sendmailCommand) Run(e *environment) error {
	o, err := parseSendmail(c.Args)
	if err != nil {
		return e.sendmailFailed(err, exUsage)
	}
	if o.config != "" {
		e.configFile = o.config
	}
	if o.submit == "" {
		o.submit = os.Getenv("POSTHORN_SUBMIT")
	}
	switch {
	case o.help:
		_, err := io.WriteString(e.Out, sendmailUsage)
		return err
	case o.mode == 'p':
		return (&queueList{Limit: 1000}).Run(e)
	case o.mode == 'q':
		return nil // the server looks after its queue
	}
	return e.sendmail(o)
}

// sendmailFailed tells what went wrong; code is the exit code if the error's kind says
// nothing better.
func (e *environment) sendmailFailed(err error, code int) error {
	fmt.Fprintln(e.Err, "sendmail:", err)
	return told(code)
}

// sendmail sends the message on standard input.
func (e *environment) sendmail(o *sendmailOptions) error {
	l, err := readLetter(e.In, !o.ignoreDots)
	if err != nil {
		return e.sendmailFailed(err, sysexit(err))
	}
	if o.fromHeader {
		o.recipients = append(o.recipients, l.recipients()...)
	}
	l.removeBcc()
	if len(o.recipients) == 0 {
		return e.sendmailFailed(fault.New(fault.Invalid, "nobody to send to; name recipients, or use -t"), exUsage)
	}
	if o.from == nil {
		caller := callingUser()
		o.from = &caller
	}
	err = e.hand(o, l)
	if l.err != nil {
		return e.sendmailFailed(fault.New(fault.Unavailable, "the message cannot be read: %w", l.err), exIO)
	}
	if err != nil {
		return e.sendmailFailed(err, sysexit(err))
	}
	return nil
}

// hand takes the message to the server: through its control socket, or by SMTP for
// users who may not open that.
func (e *environment) hand(o *sendmailOptions, l *letter) error {
	if o.submit != "" {
		return e.submit(o, l, o.submit, "")
	}
	c, err := e.loadConfig()
	if errors.Is(err, os.ErrPermission) {
		return e.submit(o, l, "127.0.0.1:25", "")
	}
	if err != nil {
		return badConfig{err}
	}
	client, err := admin.Dial(e.ctx, c.ControlSocket())
	switch {
	case fault.Is(err, fault.Denied):
		return e.submit(o, l, smtpAddress(c), c.Hostname)
	case fault.Is(err, fault.NotFound):
		return fault.New(fault.Unavailable, "%w; nothing was sent, try again when it runs", err)
	case err != nil:
		return err
	}
	defer client.Close()
	_, err = client.Send(e.ctx, admin.Envelope{
		From: *o.from, Name: o.name, To: o.recipients, Notify: o.notify, Return: o.returns, EnvelopeID: o.envelopeID,
	}, l.reader())
	return err
}

// badConfig is what is wrong with the configuration.
type badConfig struct{ error }

// sysexit is the exit code for an error.
func sysexit(err error) int {
	var config badConfig
	if errors.As(err, &config) {
		return exConfig
	}
	switch fault.KindOf(err) {
	case fault.Invalid:
		return exData
	case fault.NotFound:
		return exNoUser
	case fault.Unavailable, fault.Canceled, fault.InUse, fault.Limit, fault.OverQuota, fault.StorageFull:
		return exTemporary
	case fault.Denied, fault.TooLarge, fault.Unsupported, fault.Unauthenticated, fault.Exists:
		return exUnavailable
	case fault.Corrupt, fault.Internal:
		return exSoftware
	}
	return exSoftware
}

// callingUser is the name of the user who calls, who sends if nobody else is named.
func callingUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	if name := os.Getenv("LOGNAME"); name != "" {
		return name
	}
	return "nobody"
}

// smtpAddress is where the server of a configuration listens for mail.
func smtpAddress(c *config.Config) string {
	for _, l := range c.Listeners {
		if l.Protocol == config.SMTP {
			return onThisMachine(l.Address)
		}
	}
	return "127.0.0.1:25"
}

// wholeAddress reads an address, which may lack its domain.
func wholeAddress(text, domain string) (addr.Address, error) {
	if text == "" {
		return addr.Address{}, nil
	}
	if a, err := addr.Parse(text); err == nil {
		return a, nil
	}
	return addr.Parse(text + "@" + domain)
}
