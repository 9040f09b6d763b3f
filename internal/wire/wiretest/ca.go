package wiretest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"
)

// CA issues certificates, which those who have its Roots believe.
type CA struct {
	Certificate *x509.Certificate
	t           testing.TB
	key         *ecdsa.PrivateKey
	serial      int64
}

// NewCA makes a CA.
func NewCA(t testing.TB) *CA {
	t.Helper()
	ca := &CA{t: t}
	template := ca.template("Test CA " + rand.Text())
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	ca.Certificate, ca.key = ca.sign(template, nil)
	return ca
}

// Roots are the CA.
func (ca *CA) Roots() *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate)
	return roots
}

// Issue makes a certificate for hosts, with its chain; change may change what is in it.
func (ca *CA) Issue(change func(*x509.Certificate), hosts ...string) tls.Certificate {
	ca.t.Helper()
	template := ca.template("A server")
	template.DNSNames = hosts
	if change != nil {
		change(template)
	}
	cert, key := ca.sign(template, ca)
	return tls.Certificate{Certificate: [][]byte{cert.Raw, ca.Certificate.Raw}, PrivateKey: key, Leaf: cert}
}

// template is a certificate that holds as long as any test may think it lives.
func (ca *CA) template(name string) *x509.Certificate {
	ca.serial++
	return &x509.Certificate{
		SerialNumber: big.NewInt(ca.serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

// sign makes a certificate; without a parent it signs itself.
func (ca *CA) sign(template *x509.Certificate, parent *CA) (*x509.Certificate, *ecdsa.PrivateKey) {
	ca.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		ca.t.Fatal(err)
	}
	issuer, signer := template, key
	if parent != nil {
		issuer, signer = parent.Certificate, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), signer)
	if err != nil {
		ca.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		ca.t.Fatal(err)
	}
	return cert, key
}
