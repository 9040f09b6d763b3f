package main

import (
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// inside is the environment variable that says: the namespace is made.
const inside = "POSTHORN_RELAY_INSIDE"

// enter builds what is to be measured and starts this program again in a network
// and a mount namespace of its own, which end with it.
func enter(program string) int {
	self, err := os.Executable()
	if err != nil {
		log.Fatal(err)
	}
	args := os.Args[1:]
	if program == "" {
		program = filepath.Join(os.TempDir(), fmt.Sprintf("posthorn-relay-%d", os.Getpid()))
		defer os.Remove(program)
		build := exec.Command("go", "build", "-o", program, "posthorn/cmd/posthorn")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			log.Print("relay: building posthorn: ", err)
			return 1
		}
		args = append([]string{"-posthorn", program}, args...)
	}
	again := exec.Command("unshare", append([]string{"--net", "--mount", "--", self}, args...)...)
	again.Env = append(os.Environ(), inside+"=1")
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	again.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	var exit *exec.ExitError
	switch err := again.Run(); {
	case errors.As(err, &exit):
		return exit.ExitCode()
	case err != nil:
		log.Print("relay: ", err)
		return 1
	}
	return 0
}

// kind is how a domain behaves.
type kind uint8

const (
	alive   kind = iota
	refuses      // its server refuses connections
	absent       // it does not exist
	silent       // its server accepts connections and says nothing
)

// kindOf makes one domain in twenty a dead one.
func kindOf(domain int) kind {
	switch {
	case domain%50 == 7:
		return refuses
	case domain%50 == 17:
		return absent
	case domain%100 == 27:
		return silent
	}
	return alive
}

const domainSuffix = ".bench.test"

func domainName(domain int) string { return fmt.Sprintf("d%d%s", domain, domainSuffix) }

// addressOf is where a domain's mail server is.
func addressOf(domain int) net.IP {
	return net.IPv4(10, 1+byte(kindOf(domain)), byte(domain>>8), byte(domain))
}

// world is the internet of the namespace.
type world struct {
	names *names
	sink  *sink
}

func openWorld(s *settings) (*world, error) {
	for _, command := range []string{"ip link set lo up", "ip route add local 10.0.0.0/8 dev lo", "mount --make-rprivate /"} {
		words := strings.Fields(command)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w: %s", command, err, out)
		}
	}
	if err := useResolver("127.0.0.1"); err != nil {
		return nil, err
	}
	names, err := serveNames(s.domains)
	if err != nil {
		return nil, err
	}
	sink, err := openSink(s.domains)
	if err != nil {
		names.close()
		return nil, err
	}
	return &world{names, sink}, nil
}

// useResolver puts a resolv.conf over that of the machine, in this namespace alone.
func useResolver(address string) error {
	file, err := os.CreateTemp("", "resolv")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if _, err := fmt.Fprintf(file, "nameserver %s\n", address); err != nil {
		return err
	}
	if err := errors.Join(file.Chmod(0o644), file.Close()); err != nil {
		return err
	}
	target, err := filepath.EvalSymlinks("/etc/resolv.conf")
	if err != nil {
		return err
	}
	return syscall.Mount(file.Name(), target, "", syscall.MS_BIND, "")
}

func (w *world) close() {
	w.sink.close()
	w.names.close()
}
