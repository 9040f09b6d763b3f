package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"
)

// result is what a server has needed for one round.
type result struct {
	messages    int
	accepted    time.Duration // until the last message was acknowledged
	took        time.Duration // until the last one that can arrive had arrived
	cpu         time.Duration // of the server, all of its processes
	memory      int64         // bytes, the most
	fsyncs      int           // -1: not counted
	connections int           // to the sink
	twice       int           // messages that have come more than once
}

func (r result) rate() float64         { return float64(r.messages) / r.took.Seconds() }
func (r result) per() time.Duration    { return r.cpu / time.Duration(r.messages) }
func (r result) syncsEach() float64    { return float64(r.fsyncs) / float64(r.messages) }
func (r result) megabytes() float64    { return float64(r.memory) / (1 << 20) }
func (r result) messagesEach() float64 { return float64(r.messages) / float64(max(1, r.connections)) }

func (r result) String() string {
	return fmt.Sprintf("%4d µs CPU a message, %6.0f messages/s (accepted at %.0f/s), %4.0f MiB, %.3f syncs and %.1f messages a connection, %d twice",
		r.per().Microseconds(), r.rate(), float64(r.messages)/r.accepted.Seconds(), r.megabytes(), r.syncsEach(), r.messagesEach(), r.twice)
}

// report shows the medians, and how they stand to those of the last server.
func report(w io.Writer, names []string, results map[string][]result) {
	fmt.Fprintf(w, "\n%-10s %14s %12s %10s %15s\n", "medians", "CPU a message", "messages/s", "memory", "syncs a message")
	of := func(name string, value func(result) float64) float64 { return median(results[name], value) }
	cpu := func(r result) float64 { return float64(r.per().Microseconds()) }
	for _, name := range names {
		fmt.Fprintf(w, "%-10s %11.0f µs %12.0f %6.0f MiB %15.3f\n",
			name, of(name, cpu), of(name, result.rate), of(name, result.megabytes), of(name, result.syncsEach))
	}
	if len(names) == 2 {
		a, b := names[0], names[1]
		fmt.Fprintf(w, "%s needs 1/%.1f of the CPU of %s, at %.1f times its rate\n",
			a, of(b, cpu)/of(a, cpu), b, of(a, result.rate)/of(b, result.rate))
	}
}

func median(all []result, value func(result) float64) float64 {
	values := make([]float64, len(all))
	for i, r := range all {
		values[i] = value(r)
	}
	slices.SortFunc(values, cmp.Compare)
	return values[len(values)/2]
}
