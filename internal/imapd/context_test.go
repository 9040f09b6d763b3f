package imapd

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// keeper is a client that keeps results of searches as RFC 5267 tells it to.
type keeper struct {
	t       *testing.T
	nc      net.Conn
	r       *bufio.Reader
	results map[string][]int // by the tag of the search
	uids    map[string]bool  // which of them are UIDs
	said    []string
}

func newKeeper(t *testing.T, nc net.Conn) *keeper {
	k := &keeper{t: t, nc: nc, r: bufio.NewReader(nc), results: map[string][]int{}, uids: map[string]bool{}}
	t.Cleanup(func() { nc.Close() })
	k.do("x", "LOGIN alice secret")
	k.do("x", "SELECT INBOX")
	return k
}

var (
	keptUpdate = regexp.MustCompile(`^\* ESEARCH \(TAG "(\w+)"\)( UID)? (ADDTO|REMOVEFROM) \((.*)\)$`)
	keptAll    = regexp.MustCompile(`^\* ESEARCH \(TAG "(\w+)"\)( UID)?(?: ALL (\S+))?$`)
	keptGone   = regexp.MustCompile(`^\* (\d+) EXPUNGE$`)
)

func (k *keeper) do(tag, command string) {
	k.t.Helper()
	fmt.Fprintf(k.nc, "%s %s\r\n", tag, command)
	k.said = append(k.said, "> "+command)
	for {
		line, err := k.r.ReadString('\n')
		if err != nil {
			k.fail("%v", err)
		}
		line = strings.TrimRight(line, "\r\n")
		k.said = append(k.said, "< "+line)
		if strings.HasPrefix(line, tag+" ") {
			if !strings.HasPrefix(line, tag+" OK") && !strings.Contains(line, "EXPUNGEISSUED") {
				k.fail("%s", line)
			}
			return
		}
		k.hear(line)
	}
}

func (k *keeper) hear(line string) {
	k.t.Helper()
	if m := keptGone.FindStringSubmatch(line); m != nil {
		gone, _ := strconv.Atoi(m[1])
		for tag, list := range k.results {
			for i := range list {
				switch {
				case k.uids[tag] || list[i] < gone:
				case list[i] == gone:
					k.fail("%d is expunged, but still in %s", gone, tag)
				default:
					list[i]--
				}
			}
		}
		return
	}
	if m := keptAll.FindStringSubmatch(line); m != nil {
		k.uids[m[1]], k.results[m[1]] = m[2] != "", expand(m[3])
		return
	}
	m := keptUpdate.FindStringSubmatch(line)
	if m == nil {
		return
	}
	words := strings.Fields(m[4])
	for i := 0; i < len(words); i += 2 {
		at, _ := strconv.Atoi(words[i])
		k.update(m[1], m[3], at, expand(words[i+1]))
	}
}

func (k *keeper) update(tag, item string, at int, set []int) {
	k.t.Helper()
	list := k.results[tag]
	switch {
	case item == "ADDTO" && at == 0:
		list = append(list, set...)
		slices.Sort(list)
	case item == "ADDTO":
		if at > len(list)+1 {
			k.fail("%d is behind the end of %v", at, list)
		}
		list = slices.Insert(list, at-1, set...)
	case at == 0:
		list = slices.DeleteFunc(list, func(n int) bool { return slices.Contains(set, n) })
		if len(list)+len(set) != len(k.results[tag]) {
			k.fail("%v is not all in %v", set, k.results[tag])
		}
	default:
		if at-1+len(set) > len(list) || !slices.Equal(list[at-1:at-1+len(set)], set) {
			k.fail("%v is not at %d of %v", set, at, list)
		}
		list = slices.Delete(list, at-1, at-1+len(set))
	}
	if slices.Contains(list, 0) || len(slices.Compact(slices.Sorted(slices.Values(list)))) != len(list) {
		k.fail("%s has become %v", tag, list)
	}
	k.results[tag] = list
}

func (k *keeper) fail(format string, args ...any) {
	k.t.Helper()
	k.t.Fatalf("%s\n%s", fmt.Sprintf(format, args...), strings.Join(k.said[max(0, len(k.said)-25):], "\n"))
}

// expand gives the numbers of a set.
func expand(set string) (all []int) {
	for part := range strings.SplitSeq(set, ",") {
		first, last, isRange := strings.Cut(part, ":")
		n, _ := strconv.Atoi(first)
		to := n
		if isRange {
			to, _ = strconv.Atoi(last)
		}
		for ; n <= to && set != ""; n++ {
			all = append(all, n)
		}
	}
	return all
}

// TestContextsAreKept lets somebody else change a mailbox at random; what a client makes
// of the updates is then what it finds when it searches again.
func TestContextsAreKept(t *testing.T) {
	searches := []struct{ tag, command string }{
		{"s1", "SEARCH RETURN (%sALL) UNSEEN"},
		{"s2", "UID SEARCH RETURN (%sALL) OR FLAGGED SUBJECT b"},
		{"s3", "UID SORT RETURN (%sALL) (SUBJECT REVERSE ARRIVAL) UTF-8 UNDELETED"},
		{"s4", "SORT RETURN (%sALL) (REVERSE SUBJECT) UTF-8 NOT KEYWORD $Late"},
		{"s5", "UID SEARCH RETURN (%sALL) ALL"},
	}
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 7))
		w := newWorld(t)
		deliver := func() {
			w.deliver("alice", "INBOX", fmt.Sprintf("Subject: %c\r\n\r\ntext\r\n", 'a'+rng.IntN(4)))
		}
		for range 8 {
			deliver()
		}
		k, other := newKeeper(t, w.imap.Dial()), newKeeper(t, w.imap.Dial())
		for _, s := range searches {
			k.do(s.tag, fmt.Sprintf(s.command, "UPDATE "))
		}
		for range 150 {
			who := []*keeper{k, other, other}[rng.IntN(3)]
			flag := []string{`\Seen`, `\Flagged`, `\Deleted`, `$Late`}[rng.IntN(4)]
			switch rng.IntN(8) {
			case 0, 1:
				deliver()
			case 2:
				for n := fewInserted + 10; n > 0 && rng.IntN(60) > 0; n-- {
					deliver()
				}
			case 3:
				who.do("x", fmt.Sprintf("UID STORE %d:%d +FLAGS.SILENT (%s)", 1+rng.IntN(20), 10+rng.IntN(60), flag))
			case 4:
				who.do("x", fmt.Sprintf("UID STORE 1:* -FLAGS.SILENT (%s)", flag))
			case 5:
				who.do("x", fmt.Sprintf("UID STORE %d +FLAGS (\\Deleted)", 1+rng.IntN(60)))
				who.do("x", "EXPUNGE")
			case 6:
				k.do("x", "SEARCH ALL")
			case 7:
				k.do("x", "NOOP")
			}
		}
		k.do("x", "NOOP")
		for _, s := range searches {
			kept := slices.Clone(k.results[s.tag])
			k.do("now", fmt.Sprintf(s.command, ""))
			if now := k.results["now"]; !slices.Equal(kept, now) {
				t.Errorf("%s: seed %d: kept %v, but found %v", s.command, seed, kept, now)
			}
			delete(k.results, "now")
		}
	}
}
