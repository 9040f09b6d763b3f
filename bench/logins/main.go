// Logins measures whether many logins disturb those who are served already: mail is
// delivered and a mailbox read at a steady pace, first alone, then beside so many
// logins a second. Time counts from the moment at which something was due, so that what
// has to wait is not missed.
//
// The server is one that bench/compare has set up:
//
//	bench/compare DIR
//	go run ./bench/logins -pid $(cat DIR/pid)
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/imapclient"
	"posthorn/internal/imapwire"
	"posthorn/internal/smtpclient"
)

// settings are what is measured, and where.
type settings struct {
	imap, smtp, password string
	logins, pace         int // a second
	users, rounds, pid   int
	round                time.Duration
}

// workers are how many do the same side by side.
const workers = 8

func main() {
	log.SetFlags(0)
	var s settings
	flag.StringVar(&s.imap, "imap", "127.0.0.1:12143", "where IMAP is, with logins in clear")
	flag.StringVar(&s.smtp, "smtp", "127.0.0.1:12525", "where SMTP is")
	flag.StringVar(&s.password, "password", "secret", "the password of user0@example.test and the others")
	flag.IntVar(&s.users, "users", 100, "how many users log in")
	flag.IntVar(&s.logins, "logins", 1000, "logins a second")
	flag.IntVar(&s.pace, "pace", 100, "messages delivered, and mailboxes read, a second")
	flag.IntVar(&s.rounds, "rounds", 3, "rounds, of which the medians are shown")
	flag.DurationVar(&s.round, "round", 8*time.Second, "how long each half of a round takes")
	flag.IntVar(&s.pid, "pid", 0, "the server's process, for its processor time")
	flag.Parse()
	if err := run(context.Background(), &s); err != nil {
		log.Fatal("logins: ", err)
	}
}

func run(ctx context.Context, s *settings) error {
	deliver, err := s.deliverer(ctx)
	if err != nil {
		return err
	}
	read, err := s.reader(ctx)
	if err != nil {
		return err
	}
	if _, err := paced(10*s.users, time.Second, s.login); err != nil { // passwords are proven once
		return err
	}
	var alone, beside []half
	for range s.rounds {
		for _, logins := range []int{0, s.logins} {
			h, err := s.half(logins, deliver, read)
			if err != nil {
				return err
			}
			if logins == 0 {
				alone = append(alone, h)
			} else {
				beside = append(beside, h)
			}
		}
	}
	fmt.Printf("%-22s %22s %22s %22s %10s\n", "", "delivery p50, p99 ms", "reading p50, p99 ms", "login p50, p99 ms", "server CPU")
	show("alone", alone)
	show(fmt.Sprintf("%d logins a second", s.logins), beside)
	return nil
}

// half is what was seen in half a round.
type half struct {
	deliveries, reads, logins []time.Duration
	cpu                       float64 // of one core
}

func (s *settings) half(logins int, deliver, read func(int) error) (h half, err error) {
	before, start := cpu(s.pid), time.Now()
	var all sync.WaitGroup
	var errs [3]error
	for i, work := range []struct {
		pace int
		do   func(int) error
		took *[]time.Duration
	}{{s.pace, deliver, &h.deliveries}, {s.pace, read, &h.reads}, {logins, s.login, &h.logins}} {
		if work.pace > 0 {
			all.Go(func() { *work.took, errs[i] = paced(work.pace, s.round, work.do) })
		}
	}
	all.Wait()
	h.cpu = float64(cpu(s.pid)-before) / float64(time.Since(start))
	for _, e := range errs {
		if err == nil {
			err = e
		}
	}
	return h, err
}

// paced does something so often a second, by as many as are needed for that up to
// workers, and gives how long after it was due each was done.
func paced(pace int, length time.Duration, do func(worker int) error) ([]time.Duration, error) {
	n := int(length.Seconds() * float64(pace))
	took, start := make([]time.Duration, n), time.Now()
	errs := make([]error, workers)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := w; i < n && errs[w] == nil; i += workers {
				due := start.Add(time.Duration(i) * time.Second / time.Duration(pace))
				time.Sleep(time.Until(due))
				errs[w] = do(w)
				took[i] = time.Since(due)
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return took, nil
}

// deliverer sends messages of 4 KB, each worker to a user of its own.
func (s *settings) deliverer(ctx context.Context) (func(int) error, error) {
	text := "Subject: a message\r\n\r\n" + strings.Repeat("A line of a message that has some seventy characters and then ends so.\r\n", 56)
	var clients [workers]*smtpclient.Client
	for w := range clients {
		nc, err := net.Dial("tcp", s.smtp)
		if err != nil {
			return nil, err
		}
		if clients[w], err = smtpclient.Open(ctx, nc, smtpclient.Options{Hostname: "localhost", TLS: smtpclient.TLSNever}); err != nil {
			return nil, err
		}
	}
	return func(w int) error {
		m := &smtpclient.Message{
			From: addr.Address{Local: "sender", Domain: "elsewhere.test"},
			To:   []smtpclient.Recipient{{To: addr.Address{Local: fmt.Sprint("user", w), Domain: "example.test"}}},
		}
		return clients[w].Send(ctx, m, strings.NewReader(text))[0].Err
	}, nil
}

// reader shows the newest 50 messages of a mailbox as a list, for each worker its user's.
func (s *settings) reader(ctx context.Context) (func(int) error, error) {
	var clients [workers]*imapclient.Client
	for w := range clients {
		var err error
		if clients[w], err = imapclient.Dial(ctx, s.imap, imapclient.Options{Security: imapclient.Plain}); err != nil {
			return nil, err
		}
		if err := clients[w].Login(ctx, s.user(w), s.password); err != nil {
			return nil, err
		}
		if _, err := clients[w].Select(ctx, "INBOX", false, imapwire.SelectOptions{}); err != nil {
			return nil, err
		}
	}
	return func(w int) error {
		_, err := clients[w].Command(ctx, "UID FETCH 1:* (FLAGS ENVELOPE RFC822.SIZE) (PARTIAL -1:-50)")
		return err
	}, nil
}

func (s *settings) user(n int) string { return fmt.Sprintf("user%d@example.test", n%s.users) }

// login comes, logs in and goes.
func (s *settings) login(w int) error {
	nc, err := net.Dial("tcp", s.imap)
	if err != nil {
		return err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	n := int(time.Now().UnixNano()>>16)%s.users + w // whoever it is
	fmt.Fprintf(nc, "a LOGIN %s %s\r\nb LOGOUT\r\n", s.user(n), s.password)
	answer, err := io.ReadAll(nc)
	if err == nil && !strings.Contains(string(answer), "\na OK") {
		err = fmt.Errorf("the server says to LOGIN: %q", answer)
	}
	return err
}

func show(name string, halves []half) {
	fmt.Printf("%-22s", name)
	for _, of := range []func(half) []time.Duration{
		func(h half) []time.Duration { return h.deliveries },
		func(h half) []time.Duration { return h.reads },
		func(h half) []time.Duration { return h.logins },
	} {
		var p50, p99 []float64
		for _, h := range halves {
			if took := slices.Sorted(slices.Values(of(h))); len(took) > 0 {
				p50 = append(p50, took[len(took)/2].Seconds()*1000)
				p99 = append(p99, took[len(took)*99/100].Seconds()*1000)
			}
		}
		if len(p50) == 0 {
			fmt.Printf(" %22s", "-")
			continue
		}
		fmt.Printf(" %22s", fmt.Sprintf("%.2f, %.2f", median(p50), median(p99)))
	}
	var cpus []float64
	for _, h := range halves {
		cpus = append(cpus, h.cpu)
	}
	fmt.Printf(" %9.0f%%\n", 100*median(cpus))
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// cpu is the processor time that a process has used.
func cpu(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ
}
