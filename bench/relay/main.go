// Relay measures mail servers that bring mail to other servers: many messages to a
// thousand domains, some of them dead. Each server gets them from the same senders and
// brings them to the same sink, one server after the other, in several rounds.
//
// It needs root, Debian's postfix and its own network: it starts itself again in a
// network namespace, where 10.0.0.0/8 is the internet, a name server knows a thousand
// domains (internet.go, names.go) and a sink plays all of their mail servers (sink.go).
// senders.go hands the messages in; posthorn.go and postfix.go set the servers up;
// process.go reads what they have used.
//
//	go run ./bench/relay -messages 10000 -rounds 1
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// settings are what is measured, and how.
type settings struct {
	messages, domains, size, connections, rounds int
	dir, servers, posthorn, perf                 string
	patience                                     time.Duration
}

func main() {
	log.SetFlags(0)
	var s settings
	flag.IntVar(&s.messages, "messages", 100_000, "how many messages each server is given")
	flag.IntVar(&s.domains, "domains", 1000, "how many domains they are for")
	flag.IntVar(&s.size, "size", 4096, "bytes of a message")
	flag.IntVar(&s.connections, "connections", 16, "connections that hand messages in")
	flag.IntVar(&s.rounds, "rounds", 3, "how often each server is measured; medians are shown")
	flag.StringVar(&s.dir, "dir", "", "a folder on the disk to be measured; default: a temporary one")
	flag.StringVar(&s.servers, "servers", "posthorn,postfix", "which servers, in this order")
	flag.StringVar(&s.posthorn, "posthorn", "", "the program; default: built from this tree")
	flag.StringVar(&s.perf, "perf", "", "a file for 'perf record' of posthorn in the last round")
	flag.DurationVar(&s.patience, "patience", 30*time.Minute, "after what time a round is given up")
	flag.Parse()
	if os.Getenv(inside) == "" {
		os.Exit(enter(s.posthorn))
	}
	if err := run(&s); err != nil {
		log.Fatal("relay: ", err)
	}
}

func run(s *settings) error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	world, err := openWorld(s)
	if err != nil {
		return err
	}
	defer world.close()
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "relay"); err != nil {
			return err
		}
		defer os.RemoveAll(s.dir)
	}
	if err := os.Chmod(s.dir, 0o755); err != nil { // servers have users of their own
		return err
	}
	results := map[string][]result{}
	names := strings.Split(s.servers, ",")
	for round := range s.rounds {
		for _, name := range names {
			dir := filepath.Join(s.dir, fmt.Sprintf("%s%d", name, round))
			r, err := measure(s, world, name, dir, stop, round == s.rounds-1)
			if err != nil {
				return fmt.Errorf("%s, round %d: %w", name, round+1, err)
			}
			fmt.Printf("round %d: %-9s %v\n", round+1, name, r)
			results[name] = append(results[name], r)
			os.RemoveAll(dir)
		}
	}
	report(os.Stdout, names, results)
	return nil
}

// server is one that is measured.
type server interface {
	start() error
	address() string // where it takes mail
	pid() int        // the root of its processes
	stop() error
	syncs() string // the file in which perf stat counts its syncs, once it has ended
}

func newServer(s *settings, name, dir string, profile bool) (server, error) {
	switch name {
	case "posthorn":
		return &posthorn{program: s.posthorn, dir: dir, perf: map[bool]string{true: s.perf}[profile]}, nil
	case "postfix":
		return &postfix{dir: dir}, nil
	}
	return nil, fmt.Errorf("there is no server %q; want posthorn or postfix", name)
}

// measure gives one server all messages and waits until those that can arrive have.
func measure(s *settings, w *world, name, dir string, stop <-chan os.Signal, last bool) (result, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return result{}, err
	}
	srv, err := newServer(s, name, dir, last)
	if err != nil {
		return result{}, err
	}
	if err := srv.start(); err != nil {
		return result{}, err
	}
	running := true
	defer func() {
		if running {
			_ = srv.stop()
		}
	}()
	w.sink.expect(s)
	before := cpuOf(srv.pid())
	peak := watchMemory(srv.pid())
	began := time.Now()
	if err := send(s, srv.address()); err != nil {
		return result{}, err
	}
	accepted := time.Since(began)
	select {
	case <-w.sink.complete:
	case <-stop:
		return result{}, fmt.Errorf("interrupted; %s", w.sink.tell())
	case <-time.After(s.patience):
		return result{}, fmt.Errorf("given up; %s", w.sink.tell())
	}
	r := result{
		messages: s.messages, accepted: accepted, took: time.Since(began), memory: peak(),
		cpu: cpuOf(srv.pid()) - before, connections: w.sink.connections(), twice: w.sink.twice(),
	}
	running = false
	if err := srv.stop(); err != nil {
		return r, err
	}
	r.fsyncs = countSyncs(srv.syncs())
	return r, nil
}
