package wire_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

	"posthorn/internal/wire"
)

// BenchmarkCommand is a command and its reply, over loopback TCP, alone and
// pipelined.
func BenchmarkCommand(b *testing.B) {
	for _, mode := range []struct {
		name     string
		pipeline int
	}{{"alone", 1}, {"pipelined", 100}} {
		b.Run(mode.name, func(b *testing.B) {
			s := wire.NewServer(wire.Options{Serve: echo})
			l, err := wire.Listen(b.Context(), "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			served := make(chan error)
			go func() { served <- s.Serve(l) }()
			nc, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			r := bufio.NewReader(nc)
			r.ReadString('\n')
			commands := strings.Repeat("fetch\n", mode.pipeline)
			b.ReportAllocs()
			b.ResetTimer()
			for done := 0; done < b.N; done += mode.pipeline {
				io.WriteString(nc, commands)
				for range mode.pipeline {
					if _, err := r.ReadSlice('\n'); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.StopTimer()
			nc.Close()
			s.Shutdown(b.Context())
			<-served
		})
	}
}

// BenchmarkConnection is the whole life of a connection of one command.
func BenchmarkConnection(b *testing.B) {
	s := wire.NewServer(wire.Options{Serve: echo, MaxConns: 10, MaxConnsPerIP: 10})
	l, err := wire.Listen(b.Context(), "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	b.ReportAllocs()
	for b.Loop() {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		io.WriteString(nc, "quit\n")
		io.Copy(io.Discard, nc)
		nc.Close()
	}
	s.Shutdown(b.Context())
	<-served
}
