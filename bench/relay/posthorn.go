package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// posthorn is a fresh posthorn that relays for this machine; everything else is as
// `posthorn init` leaves it.
type posthorn struct {
	program, dir string
	perf         string // where perf record writes; "": it is not recorded
	running      *exec.Cmd
	recording    *exec.Cmd
}

func (p *posthorn) address() string { return "127.0.0.1:2525" }
func (p *posthorn) pid() int        { return p.running.Process.Pid }
func (p *posthorn) syncs() string   { return filepath.Join(p.dir, "syncs") }

func (p *posthorn) start() error {
	home := filepath.Join(p.dir, "home")
	init := exec.Command(p.program, "init", "--dir", home, "--domain", "example.test", "--hostname", "mail.example.test", "--ports", "high", "--exempt", "127.0.0.0/8")
	if out, err := init.CombinedOutput(); err != nil {
		return fmt.Errorf("posthorn init: %w: %s", err, out)
	}
	config := filepath.Join(home, "posthorn.toml")
	// Without a domain there is no key, and notifications are not signed, as the peer's are not.
	remove := exec.Command(p.program, "domain", "delete", "--config", config, "example.test")
	if out, err := remove.CombinedOutput(); err != nil {
		return fmt.Errorf("posthorn domain delete: %w: %s", err, out)
	}
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	text = regexp.MustCompile(`(?m)^# networks = .*$`).ReplaceAll(text, []byte(`networks = ["127.0.0.0/8"]`))
	if !bytes.Contains(text, []byte("\nnetworks = [\"127.0.0.0/8\"]")) {
		return errors.New("posthorn's configuration has no key for the networks that it relays for")
	}
	if err := os.WriteFile(config, text, 0o600); err != nil {
		return err
	}
	logFile := filepath.Join(p.dir, "log")
	p.running, err = startCounted(p.syncs(), logFile, p.program, "serve", "--config", config)
	if err != nil {
		return err
	}
	if err := await(logFile, `"ready"`); err != nil {
		return errors.Join(err, p.stop())
	}
	if p.perf != "" {
		p.recording = exec.Command("perf", "record", "-q", "-g", "-F", "499", "-o", p.perf, "-p", fmt.Sprint(theOnlyChild(p.pid())))
		return p.recording.Start()
	}
	return nil
}

func (p *posthorn) stop() error {
	if p.recording != nil {
		_ = p.recording.Process.Signal(os.Interrupt)
		_ = p.recording.Wait() // perf ends with the signal's number
	}
	return end(p.running)
}

// startCounted starts a server under perf stat, if that is there.
func startCounted(counts, logFile string, command ...string) (*exec.Cmd, error) {
	out, err := os.Create(logFile)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	if _, err := exec.LookPath("perf"); err == nil {
		command = append([]string{"perf", "stat", "-x,", "-o", counts, "-e", "syscalls:sys_enter_fsync,syscalls:sys_enter_fdatasync", "--"}, command...)
	}
	c := exec.Command(command[0], command[1:]...)
	c.Stdout, c.Stderr = out, out
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	return c, c.Start()
}

// end ends what startCounted has started: perf stat waits for its child.
func end(c *exec.Cmd) error {
	target := theOnlyChild(c.Process.Pid)
	if target == 0 {
		target = c.Process.Pid
	}
	if err := syscall.Kill(target, syscall.SIGTERM); err != nil {
		return err
	}
	_ = c.Wait() // the code is that of a process that was told to end
	return nil
}

// await waits until a file has a text.
func await(file, text string) error {
	for range 300 {
		if b, _ := os.ReadFile(file); strings.Contains(string(b), text) {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	b, _ := os.ReadFile(file)
	return fmt.Errorf("it does not start: %s", b)
}
