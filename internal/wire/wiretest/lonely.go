package wiretest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Lonely is an address of this machine that nobody listens on, and whose port nobody else
// is given: for a program that has to be told where to listen, for a server that goes away
// and comes back, for one that is not there. A port that 127.0.0.1 had free may be gone
// again before it is used, to a connection or to a test beside this one.
func Lonely(t testing.TB) string {
	t.Helper()
	for range 100 {
		host := fmt.Sprintf("127.86.%d.%d", rand.IntN(256), 1+rand.IntN(254))
		if l, err := net.Listen("tcp", host+":0"); err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no address of the loopback can be used")
	return ""
}
