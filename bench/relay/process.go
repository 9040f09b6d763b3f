package main

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// process is a line of /proc.
type process struct {
	parent int
	ticks  int64
}

const tick = 10 * time.Millisecond // USER_HZ

// cpuOf is the processor time of the processes at and below one, with that of
// children that have gone. A child that is reaped in the meantime can be missed, so it
// looks until two looks agree on how many there are.
func cpuOf(root int) (cpu time.Duration) {
	for last := -1; ; {
		all := tree(root)
		cpu = 0
		for _, p := range all {
			cpu += time.Duration(p.ticks) * tick
		}
		if len(all) == last {
			return cpu
		}
		last = len(all)
	}
}

func tree(root int) map[int]process {
	all := processes()
	found := map[int]process{}
	for pid := range all {
		for at := pid; at != 0; at = all[at].parent {
			if at == root {
				found[pid] = all[pid]
				break
			}
		}
	}
	return found
}

func processes() map[int]process {
	all := map[int]process{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		p := process{}
		p.parent, _ = strconv.Atoi(f[1])
		for _, ticks := range f[11:15] { // utime, stime, and those of reaped children
			n, _ := strconv.ParseInt(ticks, 10, 64)
			p.ticks += n
		}
		all[pid] = p
	}
	return all
}

// theOnlyChild is the child of a process that has one; 0: none.
func theOnlyChild(parent int) int {
	for pid, p := range processes() {
		if p.parent == parent {
			return pid
		}
	}
	return 0
}

// watchMemory looks at the memory of a tree each second; what it returns ends that
// and gives the most that was seen.
func watchMemory(root int) (peak func() int64) {
	stop := make(chan struct{})
	var watching sync.WaitGroup
	var most int64
	watching.Go(func() {
		for {
			most = max(most, memory(root))
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
			}
		}
	})
	return func() int64 { close(stop); watching.Wait(); return most }
}

func memory(root int) (sum int64) {
	for pid := range tree(root) {
		b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
		_, rest, _ := strings.Cut(string(b), "\nPss:")
		if f := strings.Fields(rest); len(f) > 0 {
			kb, _ := strconv.ParseInt(f[0], 10, 64)
			sum += kb << 10
		}
	}
	return sum
}

// countSyncs reads what perf stat has counted; -1: nothing.
func countSyncs(file string) int {
	b, err := os.ReadFile(file)
	if err != nil {
		return -1
	}
	sum, found := 0, false
	for line := range strings.Lines(string(b)) {
		if n, err := strconv.Atoi(strings.SplitN(line, ",", 2)[0]); err == nil {
			sum, found = sum+n, true
		}
	}
	if !found {
		return -1
	}
	return sum
}
