package wiretest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"posthorn/internal/wire"
)

// Server is a wire.Server whose connections are in memory.
type Server struct {
	*wire.Server
	conns sync.WaitGroup
}

// Start starts a server for one test. When the test ends it is shut down, and the
// test waits for its connections: close them, or have the session end on
// wire.ErrDraining.
func Start(t testing.TB, o wire.Options) *Server {
	s := &Server{Server: wire.NewServer(o)}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.Shutdown(ctx)
		s.conns.Wait()
	})
	return s
}

// Dial opens a connection to the server and returns the client's end of it.
func (s *Server) Dial() net.Conn {
	client, server := Pair()
	s.conns.Go(func() { s.ServeConn(server) })
	return client
}

// TLS makes configurations for a server with a certificate for mail.example.test,
// and for clients that trust it.
func TLS(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"mail.example.test"},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	client = &tls.Config{RootCAs: roots, ServerName: "mail.example.test"}
	return server, client
}
