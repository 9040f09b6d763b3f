package certs

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"posthorn/internal/fault"
)

const (
	requestTime = 30 * time.Second
	mostAnswer  = 1 << 20 // bytes of one answer of an authority
)

// account is who we are to an authority.
type account struct {
	Key     string       `json:"key"` // PEM
	Account acme.Account `json:"account"`
}

// obtain gets a certificate for an order, and gives the order as it is then.
func (k *Keeper) obtain(ctx context.Context, a ACME, r order) (order, error) {
	key, text, err := keyOf(r.Key)
	if err != nil {
		return r, err
	}
	solver, err := k.solver(a)
	if err != nil {
		return r, err
	}
	client := &acmez.Client{
		Client:           a.authority(),
		ChallengeSolvers: map[string]acmez.Solver{string(a.Challenge): solver},
	}
	chains, err := k.ask(ctx, client, a, r, key)
	if err != nil {
		return r, fault.New(fault.Unavailable, "%s: %w", a.Directory, err)
	}
	if len(chains) == 0 {
		return r, fault.New(fault.Unavailable, "%s: the authority sent no certificate", a.Directory)
	}
	leaf, err := usable(chains[0].ChainPEM, text, r.Name, k.clock())
	if err != nil {
		return r, fault.New(fault.Unavailable, "%s: the authority sent a certificate that cannot be used: %w", a.Directory, err)
	}
	return order{
		Name: r.Name, Directory: a.Directory, Chain: string(chains[0].ChainPEM), Key: text, NotAfter: leaf.NotAfter,
		RenewAt: leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) * 2 / 3),
		// Not at once: one that wants all that it issues renewed at once gets some peace.
		Advice: advice{AskAt: k.clock().Add(adviceUsually)},
	}, nil
}

// ask goes through the whole of RFC 8555 §7.1. An authority that has forgotten us is
// told once more who we are.
func (k *Keeper) ask(ctx context.Context, client *acmez.Client, a ACME, r order, key crypto.Signer) (chains []acme.Certificate, err error) {
	csr, err := acmez.NewCSR(key, []string{r.Name})
	if err != nil {
		return nil, err
	}
	wanted, err := acmez.OrderParametersFromCSR(acme.Account{}, csr)
	if err != nil {
		return nil, err
	}
	wanted.Replaces = r.replaced(a)
	for range 2 {
		if wanted.Account, err = k.account(ctx, client.Client, a); err != nil {
			return nil, err
		}
		chains, err = client.ObtainCertificate(ctx, wanted)
		var problem acme.Problem
		if !errors.As(err, &problem) || problem.Type != acme.ProblemTypeAccountDoesNotExist {
			return chains, err
		}
		if err := k.vault.drop(ctx, accountKey(a)); err != nil {
			return nil, err
		}
	}
	return chains, err
}

func accountKey(a ACME) string { return "account/" + a.Directory }

// account gives who we are to an authority, and introduces us if it does not know us.
func (k *Keeper) account(ctx context.Context, client *acme.Client, a ACME) (acme.Account, error) {
	stored, found, err := get[account](ctx, k.vault, accountKey(a))
	if err != nil {
		return acme.Account{}, err
	}
	key, text, err := keyOf(stored.Key)
	if err != nil {
		return acme.Account{}, err
	}
	stored.Account.PrivateKey = key
	if found {
		return stored.Account, nil
	}
	fresh := acme.Account{TermsOfServiceAgreed: true, PrivateKey: key}
	if a.Email != "" {
		fresh.Contact = []string{"mailto:" + a.Email}
	}
	if fresh, err = client.NewAccount(ctx, fresh); err != nil {
		return acme.Account{}, err
	}
	return fresh, k.vault.put(ctx, accountKey(a), account{text, fresh})
}

// keyOf reads a key, or makes one if there is none.
func keyOf(text string) (crypto.Signer, string, error) {
	if text == "" {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, "", fault.New(fault.Internal, "certs: %w", err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, "", fault.New(fault.Internal, "certs: %w", err)
		}
		return key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, "", fault.New(fault.Corrupt, "certs: a stored key is damaged")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, "", fault.New(fault.Corrupt, "certs: a stored key is damaged: %w", err)
	}
	return signer, text, nil
}

// usable says whether a certificate is what was asked for.
func usable(chain []byte, key, name string, now time.Time) (*x509.Certificate, error) {
	pair, err := tls.X509KeyPair(chain, []byte(key))
	if err != nil {
		return nil, err
	}
	leaf := pair.Leaf
	if err := leaf.VerifyHostname(name); err != nil {
		return nil, err
	}
	if now.After(leaf.NotAfter) {
		return nil, fault.New(fault.Invalid, "it ended %s", day(leaf.NotAfter))
	}
	return leaf, nil
}

// rateLimited says that an authority wants to be left alone for longer.
func rateLimited(err error) bool {
	var problem acme.Problem
	return errors.As(err, &problem) && problem.Type == acme.ProblemTypeRateLimited
}

// authority speaks with the authority.
func (a ACME) authority() *acme.Client {
	return &acme.Client{Directory: a.Directory, HTTPClient: a.client(), UserAgent: "posthorn", PollTimeout: attemptTime}
}

// client talks to an authority, and reads no more of an answer than it may be long.
func (a ACME) client() *http.Client {
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: requestTime, ResponseHeaderTimeout: requestTime,
		TLSClientConfig: &tls.Config{RootCAs: a.Roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
	}
	return &http.Client{Transport: bounded{t}, Timeout: requestTime}
}

// bounded cuts answers off.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(answer.Body, mostAnswer), answer.Body}
	return answer, nil
}
