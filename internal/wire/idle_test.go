package wire_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

// BenchmarkIdle measures what a connection costs that waits for a command: this
// test binary runs once more as the server, a thousand clients log in to it and
// say nothing, and its share of memory (PSS) is compared with that from before.
//
//	go test -run=- -bench=Idle ./internal/wire
func BenchmarkIdle(b *testing.B) {
	for _, mode := range []string{"clear", "tls"} {
		b.Run(mode, func(b *testing.B) {
			const conns = 1000
			for b.Loop() {
				s := startIdleServer(b, mode)
				s.ask(b, "warm up")
				before := s.ask(b, "measure")
				for range conns {
					s.dial(b)
				}
				time.Sleep(1500 * time.Millisecond) // until the last has given its buffers back
				report := func(prefix string, after map[string]int) {
					for _, what := range []string{"pss", "stack", "heap"} {
						b.ReportMetric(float64(after[what]-before[what])/conns/1024, prefix+what+"-KiB/conn")
					}
				}
				report("fresh-", s.ask(b, "measure at once"))
				report("", s.ask(b, "measure"))
			}
		})
	}
}

// idleServer is the child process.
type idleServer struct {
	in    io.WriteCloser
	out   *bufio.Reader
	addr  string
	tls   *tls.Config
	conns []net.Conn
}

func startIdleServer(b *testing.B, mode string) *idleServer {
	cmd := exec.Command(os.Args[0], "-test.run=TestIdleServer", "-test.v")
	cmd.Env = append(os.Environ(), "WIRE_IDLE_SERVER="+mode)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil || err1 != nil || err2 != nil {
		b.Fatal(err, err1, err2)
	}
	s := &idleServer{in: in, out: bufio.NewReader(out)}
	if mode == "tls" {
		s.tls = &tls.Config{InsecureSkipVerify: true}
	}
	b.Cleanup(func() {
		for _, nc := range s.conns {
			nc.Close()
		}
		in.Close()
		io.Copy(io.Discard, s.out)
		cmd.Wait()
	})
	s.addr = s.expect(b, `address (\S+)`)[1]
	return s
}

func (s *idleServer) expect(b *testing.B, pattern string) []string {
	re := regexp.MustCompile(pattern)
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			b.Fatal(err)
		}
		if m := re.FindStringSubmatch(line); m != nil {
			return m
		}
	}
}

// ask has the child say its memory in bytes.
func (s *idleServer) ask(b *testing.B, command string) map[string]int {
	fmt.Fprintln(s.in, command)
	m := s.expect(b, `pss (\d+) stack (\d+) heap (\d+)`)
	sizes := make(map[string]int)
	for i, what := range []string{"pss", "stack", "heap"} {
		sizes[what], _ = strconv.Atoi(m[i+1])
	}
	return sizes
}

func (s *idleServer) dial(b *testing.B) {
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		b.Fatal(err)
	}
	s.conns = append(s.conns, nc)
	if s.tls != nil {
		nc = tls.Client(nc, s.tls)
	}
	r := bufio.NewReader(nc)
	for _, want := range []string{"hello\n", "welcome\n"} {
		if line, err := r.ReadString('\n'); line != want {
			b.Fatalf("got %q, %v", line, err)
		}
		io.WriteString(nc, "login\n")
	}
	if _, err := r.ReadString('\n'); err != nil {
		b.Fatal(err)
	}
}

// TestIdleServer is the child process of BenchmarkIdle.
func TestIdleServer(t *testing.T) {
	mode := os.Getenv("WIRE_IDLE_SERVER")
	if mode == "" {
		t.Skip("only for BenchmarkIdle, which runs it in a process of its own")
	}
	o := wire.Options{Serve: deepEcho, IdleTimeout: time.Hour}
	if mode == "tls" {
		o.TLS, _ = wiretest.TLS(t)
		o.ImplicitTLS = true
	}
	s := wire.NewServer(o)
	l, err := wire.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("address %s\n", l.Addr())
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	for stdin := bufio.NewScanner(os.Stdin); stdin.Scan(); {
		if stdin.Text() == "measure" {
			for range 3 {
				debug.FreeOSMemory()
			}
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Printf("pss %d stack %d heap %d\n", pss(t), m.StackInuse, m.HeapAlloc)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Shutdown(ctx)
	<-served
}

// deepEcho is echo after something that needs a stack as deep as a command does.
func deepEcho(ctx context.Context, c *wire.Conn) {
	deepen(16)
	echo(ctx, c)
}

//go:noinline
func deepen(n int) byte {
	var room [512]byte
	if n > 0 {
		room[n] = deepen(n - 1)
	}
	return room[n/2]
}

func pss(t *testing.T) int {
	b, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
			kib, _ := strconv.Atoi(f[1])
			return kib << 10
		}
	}
	t.Fatal("no Pss")
	return 0
}
