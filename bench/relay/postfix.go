package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// postfix is a private Postfix that relays for this machine. What differs from
// Debian's defaults makes it faster: more processes, no delay of senders, more
// messages that are looked at. A higher initial_destination_concurrency would have
// the silent servers keep all of its processes.
type postfix struct {
	dir     string
	running *exec.Cmd
}

func (p *postfix) address() string { return "127.0.0.1:2526" }
func (p *postfix) pid() int        { return p.running.Process.Pid }
func (p *postfix) syncs() string   { return filepath.Join(p.dir, "syncs") }

const postfixMain = `compatibility_level = 3.6
queue_directory = %[1]s/spool
data_directory = %[1]s/data
maillog_file = %[1]s/postfix.log
maillog_file_prefixes = %[1]s
myhostname = mail.example.test
mydomain = example.test
mydestination =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
inet_interfaces = 127.0.0.1
smtp_bind_address = 0.0.0.0
inet_protocols = ipv4
alias_maps =
message_size_limit = 52428800
in_flow_delay = 0
default_process_limit = 400
default_destination_concurrency_limit = 20
qmgr_message_active_limit = 100000
qmgr_message_recipient_limit = 100000
`

const postfixMaster = `2526 inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

func (p *postfix) start() error {
	config := filepath.Join(p.dir, "config")
	for _, dir := range []string{config, filepath.Join(p.dir, "spool"), filepath.Join(p.dir, "data")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	err := errors.Join(
		os.WriteFile(filepath.Join(config, "main.cf"), fmt.Appendf(nil, postfixMain, p.dir), 0o644),
		os.WriteFile(filepath.Join(config, "master.cf"), []byte(postfixMaster), 0o644),
		exec.Command("chown", "postfix", filepath.Join(p.dir, "data")).Run())
	if err != nil {
		return err
	}
	p.running, err = startCounted(p.syncs(), filepath.Join(p.dir, "log"), "postfix", "-c", config, "start-fg")
	if err != nil {
		return err
	}
	for range 100 {
		if nc, err := net.Dial("tcp", p.address()); err == nil {
			return nc.Close()
		}
		time.Sleep(100 * time.Millisecond)
	}
	out, _ := os.ReadFile(filepath.Join(p.dir, "log"))
	return fmt.Errorf("postfix does not start: %s", out)
}

func (p *postfix) stop() error {
	out, err := exec.Command("postfix", "-c", filepath.Join(p.dir, "config"), "stop").CombinedOutput()
	if err != nil {
		return fmt.Errorf("postfix stop: %w: %s", err, out)
	}
	_ = p.running.Wait() // the code is that of a process that was told to end
	return nil
}
