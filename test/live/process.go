package live

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"
)

// process is one run of the server.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended,
	err  error         // and this is how
}

// Start starts the server and returns when it says that it is ready.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if s.run != nil {
		t.Fatal("the server is running already")
	}
	log, err := s.log.next()
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	line := append(slices.Clone(s.within), s.binary, "serve", "--config", s.Config)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	// Should the test itself be killed, the server goes with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("posthorn serve: %v", err)
	}
	s.run = &process{cmd: cmd, done: make(chan struct{})}
	go func(p *process) {
		p.err = cmd.Wait()
		close(p.done)
	}(s.run)
	s.awaitReady(t)
}

func (s *Server) awaitReady(t testing.TB) {
	t.Helper()
	deadline := time.After(patience)
	for !s.log.contains(`"msg":"ready"`) {
		select {
		case <-s.run.done:
			t.Fatalf("posthorn serve ended before it was ready: %v\n%s", s.run.err, s.log.tail(40))
		case <-deadline:
			t.Fatalf("posthorn serve is not ready after %v\n%s", patience, s.log.tail(40))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Kill ends the server at once, as a crash does.
func (s *Server) Kill() {
	if s.run != nil {
		s.run.cmd.Process.Kill()
		<-s.run.done
		s.run = nil
	}
}

// Reload asks the server to read its configuration again, and does not wait.
func (s *Server) Reload(t testing.TB) {
	t.Helper()
	if err := s.run.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// Stop asks the server to end and waits until it has drained.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.run.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.run.done:
		if s.run.err != nil {
			t.Errorf("posthorn serve, after SIGTERM: %v\n%s", s.run.err, s.log.tail(40))
		}
		s.run = nil
	case <-time.After(patience):
		t.Fatalf("posthorn serve goes on %v after SIGTERM\n%s", patience, s.log.tail(40))
	}
}

// logFile collects what the server logs, over all its runs.
type logFile struct {
	name string
	from int64 // where the last run began
}

func (l *logFile) next() (*os.File, error) {
	f, err := os.OpenFile(l.name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	stat, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	l.from = stat.Size()
	return f, nil
}

// contains looks at the last run.
func (l *logFile) contains(word string) bool {
	text, err := os.ReadFile(l.name)
	return err == nil && bytes.Contains(text[min(l.from, int64(len(text))):], []byte(word))
}

// tail is the last lines of it.
func (l *logFile) tail(lines int) []byte {
	text, err := os.ReadFile(l.name)
	if err != nil {
		return []byte(err.Error())
	}
	from := len(text)
	for range lines + 1 {
		if from = bytes.LastIndexByte(text[:from], '\n'); from < 0 {
			return text
		}
	}
	return text[from+1:]
}
