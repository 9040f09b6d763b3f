package pgtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// postmaster is the server's first process, and the parent of all its others.
type postmaster struct {
	pid    int
	exited <-chan struct{}
}

// run starts the server and waits until it answers.
func (s *Server) run() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		p, err := s.launch()
		if err != nil {
			return fmt.Errorf("pgtest: %w", err)
		}
		if s.answers(ctx, p) {
			s.postmaster = p
			return nil
		}
		// Where nobody could wait for the processes of the one before, one of them
		// may still hold its shared memory; then postgres gives up and is tried again.
		if p.stop(); ctx.Err() != nil {
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("pgtest: %s does not start:\n%s", s.program.version, log[max(0, len(log)-2000):])
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// answers waits until the server accepts connections or is gone.
func (s *Server) answers(ctx context.Context, p *postmaster) bool {
	for ctx.Err() == nil {
		if c, err := pgconn.Connect(ctx, s.DSN("postgres")); err == nil {
			_ = c.Close(ctx)
			return true
		}
		select {
		case <-p.exited:
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
	return false
}

func (s *Server) launch() (*postmaster, error) {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	args := []string{
		"-D", filepath.Join(s.dir, "data"),
		"-c", "listen_addresses=",
		"-c", "port=5432", // of the socket: it is part of its name
		"-c", "unix_socket_directories=" + s.dir,
		"-c", "unix_socket_permissions=0700",
		"-c", "max_connections=200",
		"-c", "log_checkpoints=off",
	}
	cmd := exec.Command(s.program.postgres, append(args, platformArgs()...)...)
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = processAttributes()
	cmd.SysProcAttr.Credential = s.program.as

	started, exited := make(chan error), make(chan struct{})
	go func() {
		defer close(exited)
		// The kernel ends the server when the thread that started it ends, so
		// that thread has to last for as long as the test binary.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return &postmaster{pid: cmd.Process.Pid, exited: exited}, nil
}

// stop ends the server at once; its data is not needed any more.
func (p *postmaster) stop() {
	_ = p.signal(syscall.SIGQUIT)
	select {
	case <-p.exited:
	case <-time.After(patience):
		_ = p.kill()
	}
}

// kill ends all of the server's processes with SIGKILL.
func (p *postmaster) kill() error {
	// Stopped first, so that it neither notices the deaths of its children nor
	// has new ones meanwhile.
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("pgtest: stopping process %d: %w", p.pid, err)
	}
	// The signal takes its time: until it has stopped, it may have one child more,
	// which would live on and keep the shared memory.
	for !stopped(p.pid) {
		time.Sleep(time.Millisecond)
	}
	children, err := childrenOf(p.pid)
	for _, child := range children {
		_ = syscall.Kill(child, syscall.SIGKILL) // it may have ended by itself
	}
	_ = p.signal(syscall.SIGKILL)
	<-p.exited
	for _, child := range children {
		bury(child)
	}
	return err
}

// signal signals the postmaster unless it has ended and been waited for, when its
// number may be somebody else's.
func (p *postmaster) signal(signal syscall.Signal) error {
	select {
	case <-p.exited:
		return os.ErrProcessDone
	default:
		return syscall.Kill(p.pid, signal)
	}
}

// remove stops the server and deletes everything it had.
func (s *Server) remove() {
	if s.postmaster != nil {
		s.postmaster.stop()
	}
	os.RemoveAll(s.dir)
}
