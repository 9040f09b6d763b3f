package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"posthorn/internal/admin"
	"posthorn/internal/config"
	"posthorn/internal/fault"
	"posthorn/internal/obs"
	"posthorn/internal/server"
)

const (
	demoDomain   = "example.test"
	demoHostname = "demo.example.test" // also tells a demo's folder from a server's
	demoAlice    = "alice@" + demoDomain
	demoBob      = "bob@" + demoDomain
	demoDrain    = 3 * time.Second
)

type demoCommand struct {
	Dir        string `help:"Keep everything in this folder, and go on with it the next time. Without it, a folder is made and removed at the end." placeholder:"DIR"`
	PortOffset int    `help:"Add a number to each port." placeholder:"N" default:"0"`
	AnyPorts   bool   `help:"Let the system choose ports that are free."`
	Once       bool   `help:"End when everything is proven."`
	Verbose    bool   `short:"v" help:"Show the server's log."`
}

// Help is shown below the summary.
func (c *demoCommand) Help() string {
	return "Runs the whole server on high ports of this machine alone, with the accounts " + demoAlice + " and " + demoBob +
		". Sends a message from one to the other, reads it back over IMAP and POP3, and prints settings for mail programs and lines for a shell."
}

func (c *demoCommand) Run(e *environment) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)

	d := &demo{environment: e}
	defer d.cleanUp()
	if err := d.start(c); err != nil {
		return err
	}
	err := d.show()
	if err == nil && !c.Once {
		select {
		case <-signals:
		case <-e.ctx.Done():
		}
		d.say("\nThe demo ends.\n")
	}
	return errors.Join(err, d.stop())
}

// port is where a protocol is listened on; 0 leaves it to the system.
func (c *demoCommand) port(p config.Protocol) int {
	if c.AnyPorts {
		return 0
	}
	return p.HighPort() + c.PortOffset
}

// demo is a demonstration under way.
type demo struct {
	*environment
	dir       string
	throwAway bool // the folder goes when the demo ends
	config    *config.Config
	server    *server.Server
	passwords map[string]string // by address
}

// demonstrated is what demo says to programs.
type demonstrated struct {
	Dir       string            `json:"dir"`
	Config    string            `json:"config"`
	Accounts  map[string]string `json:"accounts"` // passwords, by address
	Listeners map[string]string `json:"listeners"`
	Proven    []proof           `json:"proven"`
}

// say prints for people; programs get one object, when all is said.
func (d *demo) say(format string, args ...any) {
	if !d.json {
		fmt.Fprintf(d.Out, format, args...)
	}
}

func (d *demo) start(c *demoCommand) error {
	if err := d.prepare(c); err != nil {
		return err
	}
	level := slog.LevelWarn
	if c.Verbose {
		level = slog.LevelInfo
	}
	running, err := server.Start(d.ctx, d.config, obs.NewLogger(d.Err, obs.LogText, level))
	var socket *server.SocketError
	if errors.As(err, &socket) {
		return fault.New(fault.InUse, "%w\nChoose other ports: --port-offset 10000 adds that to each of them, --any-ports takes what is free.", err)
	}
	if err != nil {
		return err
	}
	d.server = running
	return d.makeAccounts()
}

// prepare finds the folder, and makes it a server's if it is none yet.
func (d *demo) prepare(c *demoCommand) (err error) {
	if d.dir = c.Dir; d.dir == "" {
		d.throwAway = true
		if d.dir, err = os.MkdirTemp("", "posthorn-demo-"); err != nil {
			return err
		}
	}
	file := filepath.Join(d.dir, configName)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		s := setup{
			dir: d.dir, domain: demoDomain, hostname: demoHostname, bind: "127.0.0.1", plaintextAuth: true, isolated: true,
			port: c.port, log: obs.NewLogger(d.Err, obs.LogText, slog.LevelWarn),
		}
		d.config, err = s.create(d.ctx)
		return err
	}
	if d.config, err = config.Load(file); err != nil {
		return err
	}
	if d.config.Hostname != demoHostname {
		return fault.New(fault.InUse, "%s belongs to the server %s, not to a demo; choose another folder", d.dir, d.config.Hostname)
	}
	// Whatever the file says: a demo writes to nobody.
	d.config.Queue.Enabled = false
	for i := range d.config.Listeners { // the ports are those of this time
		l := &d.config.Listeners[i]
		l.Address = net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port(l.Protocol)))
	}
	return nil
}

// makeAccounts makes the two accounts, or gives those of an earlier demo new
// passwords, the way an operator does it: over the control socket.
func (d *demo) makeAccounts() error {
	client, err := admin.Dial(d.ctx, d.config.ControlSocket())
	if err != nil {
		return err
	}
	defer client.Close()
	d.passwords = map[string]string{}
	for _, address := range []string{demoAlice, demoBob} {
		who := admin.Credentials{Address: address, Password: strings.ToLower(rand.Text()[:12])}
		_, err := admin.AddAccount.Call(d.ctx, client, who)
		if fault.Is(err, fault.Exists) {
			_, err = admin.SetPassword.Call(d.ctx, client, who)
		}
		if err != nil {
			return err
		}
		d.passwords[address] = who.Password
	}
	return nil
}

// show proves what there is to prove and prints how to go on.
func (d *demo) show() error {
	d.say("posthorn demo: a whole mail server, on this machine alone\n\n")
	proven, err := d.prove()
	if err != nil {
		return err
	}
	if !d.json {
		return d.settings(d.Out)
	}
	result := demonstrated{
		Dir: d.dir, Config: filepath.Join(d.dir, configName), Accounts: d.passwords, Listeners: map[string]string{}, Proven: proven,
	}
	for _, l := range d.config.Listeners {
		result.Listeners[string(l.Protocol)] = d.address(l.Protocol)
	}
	return d.print(result, nil)
}

func (d *demo) address(p config.Protocol) string { return d.server.Address(p).String() }

// stop ends the server.
func (d *demo) stop() error {
	running := d.server
	d.server = nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(d.ctx), demoDrain)
	defer cancel()
	if err := running.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// cleanUp removes what is left, whatever has happened.
func (d *demo) cleanUp() {
	if d.server != nil {
		if err := d.stop(); err != nil {
			fmt.Fprintln(d.Err, "posthorn:", err)
		}
	}
	if d.throwAway && d.dir != "" {
		if err := os.RemoveAll(d.dir); err != nil {
			fmt.Fprintln(d.Err, "posthorn:", err)
		}
	}
}
