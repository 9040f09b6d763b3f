package exchange

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/dns/dnstest"
	"posthorn/internal/smtpclient"
	"posthorn/test/live"
)

// inside is set for the copy of the test that runs in namespaces of its own.
const inside = "POSTHORN_EXCHANGE_INSIDE"

var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Getenv(inside) == "" {
		return enter()
	}
	dir, err := os.MkdirTemp("", "posthorn-exchange")
	if err == nil {
		defer os.RemoveAll(dir)
		binary, err = live.Build(dir)
	}
	if err == nil {
		err = private()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// enter runs this test once more, in namespaces of its own.
func enter() int {
	if os.Geteuid() != 0 {
		fmt.Println("test/exchange needs root, to give every server a network of its own. Nothing was tested here.")
		if os.Getenv("CI") != "" {
			return 1
		}
		return 0
	}
	again := exec.Command("/proc/self/exe", os.Args[1:]...)
	again.Env = append(os.Environ(), inside+"=1")
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	again.SysProcAttr = &syscall.SysProcAttr{
		// With the first process of its own PID namespace all others end, too.
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := again.Run(); err != nil {
		if code := again.ProcessState.ExitCode(); code > 0 {
			return code
		}
		fmt.Fprintln(os.Stderr, "test/exchange:", err)
		return 1
	}
	return 0
}

// private makes the namespaces ready: what is mounted and named here is seen nowhere else.
func private() error {
	for _, command := range []string{
		"mount --make-rprivate /", "mount -t proc proc /proc", "mkdir -p /run/netns", "mount -t tmpfs tmpfs /run/netns",
		"ip link set lo up", "ip link add wire type bridge", "ip link set wire up", "ip addr add " + nameServer + "/24 dev wire",
	} {
		if err := system(command); err != nil {
			return err
		}
	}
	return nil
}

func system(command string) error {
	words := strings.Fields(command)
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", command, err, out)
	}
	return nil
}

// network is the first three numbers of all addresses.
const (
	network    = "10.99.7."
	nameServer = network + "250"
)

// world is a few machines with a network between them.
type world struct {
	*testing.T
	dns *dnstest.Server
}

// newWorld makes a world in which a zone is true.
func newWorld(t *testing.T, zone string) *world {
	t.Helper()
	w := &world{T: t, dns: dnstest.New(t, zone)}
	w.dns.ListenOn(nameServer + ":53")
	resolver := filepath.Join(t.TempDir(), "resolv.conf")
	w.write(resolver, "nameserver "+nameServer+"\n")
	w.must(system("mount --bind " + resolver + " /etc/resolv.conf"))
	t.Cleanup(func() { w.must(system("umount /etc/resolv.conf")) })
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) write(name, text string) {
	w.Helper()
	w.must(os.WriteFile(name, []byte(text), 0o644))
}

// machine is a computer with one address.
type machine struct {
	*world
	name, ip string
}

// plug adds a machine to the network.
func (w *world) plug(name string, number int) *machine {
	w.Helper()
	m := &machine{w, name, fmt.Sprint(network, number)}
	for _, command := range []string{
		"ip netns add NAME", "ip link add NAME type veth peer name eth0 netns NAME", "ip link set NAME master wire up",
		"ip -n NAME link set lo up", "ip -n NAME link set eth0 up", "ip -n NAME addr add " + m.ip + "/24 dev eth0",
	} {
		w.must(system(strings.ReplaceAll(command, "NAME", name)))
	}
	w.Cleanup(func() {
		_ = system("ip link del " + name) // it goes with the namespace, sooner or later
		w.must(system("ip netns del " + name))
	})
	return m
}

// on is a command line that runs another on the machine.
func (m *machine) on(command ...string) []string {
	return append([]string{"ip", "netns", "exec", m.name}, command...)
}

// run runs a command on the machine and gives what it prints.
func (m *machine) run(input string, command ...string) string {
	m.Helper()
	out, err := m.try(input, command...)
	if err != nil {
		m.Fatalf("%s: %s: %v\n%s", m.name, strings.Join(command, " "), err, out)
	}
	return out
}

func (m *machine) try(input string, command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	line := m.on(command...)
	c := exec.CommandContext(ctx, line[0], line[1:]...)
	c.Stdin = strings.NewReader(input)
	out, err := c.CombinedOutput()
	return string(out), err
}

// patience is for what normally takes moments, on a busy machine.
const patience = 60 * time.Second

// await waits until something is so.
func (w *world) await(what string, so func() bool) {
	w.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.Fatalf("after %v still not: %s", patience, what)
		}
	}
}

// shortDir makes a folder whose name is short enough for the sockets in it.
func (w *world) shortDir() string {
	w.Helper()
	dir, err := os.MkdirTemp("/tmp", "px")
	w.must(err)
	w.must(os.Chmod(dir, 0o755))
	w.Cleanup(func() { w.must(os.RemoveAll(dir)) })
	return dir
}

// certificate makes cert.pem and key.pem for a name that nobody vouches for.
func (w *world) certificate(dir, name string) {
	w.Helper()
	w.must(system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=" + name +
		" -addext subjectAltName=DNS:" + name + " -keyout " + dir + "/key.pem -out " + dir + "/cert.pem"))
}

// log shows the end of a server's log.
func (w *world) log(name string) {
	text, err := os.ReadFile(name)
	if err != nil {
		text = []byte(err.Error())
	}
	w.Logf("%s:\n%s", name, text[max(0, len(text)-4000):])
}

// hand gives a message to a server that trusts this machine.
func (m *machine) hand(l letter, domain string) {
	m.Helper()
	m.send(l, addr.Address{Local: l.from, Domain: domain}, m.ip+":25", smtpclient.Options{Hostname: "tester.test", TLS: smtpclient.TLSNever})
}

// send sends a message, and wants it accepted.
func (m *machine) send(l letter, from addr.Address, address string, o smtpclient.Options) {
	m.Helper()
	var nc net.Conn
	m.await("an answer from "+address, func() (ok bool) {
		var err error
		nc, err = net.Dial("tcp", address)
		return err == nil
	})
	c, err := smtpclient.Open(m.Context(), nc, o)
	m.must(err)
	defer c.Quit(m.Context())
	to, err := addr.Parse(l.to)
	m.must(err)
	text := strings.ReplaceAll(l.text, "\n", "\r\n")
	outcome := c.Send(m.Context(), &smtpclient.Message{
		From: from, To: []smtpclient.Recipient{{To: to, Notify: l.notify}}, Size: int64(len(text)), Body: l.body, UTF8: l.utf8,
	}, strings.NewReader(text))
	if outcome[0].Err != nil {
		m.Fatalf("%s to %s: %v", l.name, l.to, outcome[0].Err)
	}
}

// maildir takes all messages out of a Maildir.
func (m *machine) maildir(dir string) (all []string) {
	m.Helper()
	names, err := filepath.Glob(dir + "/new/*")
	m.must(err)
	for _, name := range names {
		text, err := os.ReadFile(name)
		m.must(err)
		m.must(os.Remove(name))
		all = append(all, string(text))
	}
	return all
}
