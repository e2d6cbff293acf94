package local

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// pkiLife is how long certificates are valid. They are not rotated: whoever can
// read them owns the machine that the cluster lives on.
const pkiLife = 10 * 365 * 24 * time.Hour

// serviceIPs is the range of Service addresses, and the first of them is the API
// server's own.
const (
	serviceIPs   = "10.96.0.0/16"
	apiServiceIP = "10.96.0.1"
)

// The names of key pairs: NAME.crt and NAME.key in the folder.
const (
	caPair         = "ca"      // of clients and of the API server
	etcdCAPair     = "etcd-ca" // apart, so that no user's certificate opens etcd
	etcdPair       = "etcd"
	etcdClientPair = "apiserver-etcd-client"
	apiServerPair  = "apiserver"
	adminPair      = "admin"
	managerPair    = "kube-controller-manager"
	schedulerPair  = "kube-scheduler"
	kwokPair       = "kwok"
	signingPair    = "service-account" // .key and .pub
)

// ensurePKI makes all keys and certificates of a cluster in dir, which appears
// complete or not at all. What exists is kept.
func ensurePKI(dir string, now time.Time) error {
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	unfinished := dir + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	if err := os.MkdirAll(unfinished, 0o700); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	if err := writePKI(unfinished, now); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	if err := os.Rename(unfinished, dir); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	return nil
}

func writePKI(dir string, now time.Time) error {
	ca, err := newAuthority(dir, caPair, now)
	if err != nil {
		return err
	}
	etcdCA, err := newAuthority(dir, etcdCAPair, now)
	if err != nil {
		return err
	}
	server := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	client := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	both := append(server[:1:1], client...)
	for _, leaf := range []struct {
		issuer   *authority
		pair     string
		name     string
		groups   []string
		usage    []x509.ExtKeyUsage
		ips, dns []string
	}{
		{issuer: etcdCA, pair: etcdPair, name: "etcd", usage: both, ips: []string{loopback}, dns: []string{"localhost"}},
		{issuer: etcdCA, pair: etcdClientPair, name: "kube-apiserver", usage: client},
		{issuer: ca, pair: apiServerPair, name: "kube-apiserver", usage: server, ips: []string{loopback, apiServiceIP}, dns: []string{
			"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}},
		{issuer: ca, pair: adminPair, name: "branchline-local", groups: []string{"system:masters"}, usage: client},
		{issuer: ca, pair: managerPair, name: "system:kube-controller-manager", usage: client},
		{issuer: ca, pair: schedulerPair, name: "system:kube-scheduler", usage: client},
		// It plays every kubelet at once, for which there is no narrower group.
		{issuer: ca, pair: kwokPair, name: "kwok", groups: []string{"system:masters"}, usage: client},
	} {
		template := &x509.Certificate{
			Subject:     pkix.Name{CommonName: leaf.name, Organization: leaf.groups},
			KeyUsage:    x509.KeyUsageDigitalSignature,
			ExtKeyUsage: leaf.usage,
			DNSNames:    leaf.dns,
		}
		for _, ip := range leaf.ips {
			template.IPAddresses = append(template.IPAddresses, net.ParseIP(ip))
		}
		if err := leaf.issuer.issue(dir, leaf.pair, template, now); err != nil {
			return fmt.Errorf("certificate %s: %w", leaf.pair, err)
		}
	}
	return writeSigningKey(dir)
}

// writeSigningKey makes the key pair that service-account tokens are signed with.
func writeSigningKey(dir string) error {
	key, err := newKey(filepath.Join(dir, signingPair+".key"))
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return writePEM(filepath.Join(dir, signingPair+".pub"), "PUBLIC KEY", public)
}

// An authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(dir, pair string, now time.Time) (*authority, error) {
	a := &authority{certificate: &x509.Certificate{
		Subject:               pkix.Name{CommonName: pair},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}}
	if err := a.issue(dir, pair, a.certificate, now); err != nil {
		return nil, fmt.Errorf("authority %s: %w", pair, err)
	}
	return a, nil
}

// issue makes a key and has the authority certify it; an authority without a key
// yet takes this one and so signs itself.
func (a *authority) issue(dir, pair string, template *x509.Certificate, now time.Time) error {
	key, err := newKey(filepath.Join(dir, pair+".key"))
	if err != nil {
		return err
	}
	if a.key == nil {
		a.key = key
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template.SerialNumber = serial
	template.NotBefore = now.Add(-time.Hour) // the clock may be put right later
	template.NotAfter = now.Add(pkiLife)
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return err
	}
	if template == a.certificate {
		// Parsed again for the subject key ID that was computed on signing.
		if a.certificate, err = x509.ParseCertificate(der); err != nil {
			return err
		}
	}
	return writePEM(filepath.Join(dir, pair+".crt"), "CERTIFICATE", der)
}

func newKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
