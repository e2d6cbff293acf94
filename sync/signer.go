package sync

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// signatureNamespace is what git signs commits under (gitformat-signature(5)).
const signatureNamespace = "git"

// Signer signs commits with an ed25519 key. Its signatures are deterministic.
// It is safe for concurrent use.
type Signer struct {
	private ed25519.PrivateKey
	ssh     ssh.Signer
}

// GenerateSigner makes a new key from 32 bytes of random.
func GenerateSigner(random io.Reader) (*Signer, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("generate signing key: %w", err)
	}
	return newSigner(ed25519.NewKeyFromSeed(seed))
}

// ParseSigner reads an unencrypted ed25519 key in OpenSSH's private key format.
func ParseSigner(data []byte) (*Signer, error) {
	key, err := ssh.ParseRawPrivateKey(data)
	if err != nil {
		// The cause is left out: it may quote what stands in the file.
		return nil, errors.New("parse signing key: not an unencrypted OpenSSH private key; make one with ssh-keygen -t ed25519 -N ''")
	}
	private, ok := key.(*ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("parse signing key: found a key of type %T; make one with ssh-keygen -t ed25519", key)
	}
	return newSigner(*private)
}

func newSigner(private ed25519.PrivateKey) (*Signer, error) {
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, fmt.Errorf("use signing key: %w", err)
	}
	return &Signer{private: private, ssh: signer}, nil
}

// MarshalPrivate gives the key in OpenSSH's private key format (PEM). Whoever
// stores it lets nobody else read it.
func (s *Signer) MarshalPrivate() ([]byte, error) {
	block, err := ssh.MarshalPrivateKey(s.private, "")
	if err != nil {
		return nil, fmt.Errorf("encode signing key: %w", err)
	}
	return pem.EncodeToMemory(block), nil
}

// PublicKey gives the public half as a line of an authorized_keys file, without
// comment and line end.
func (s *Signer) PublicKey() string { return authorizedKey(s.ssh.PublicKey()) }

func authorizedKey(key ssh.PublicKey) string {
	return strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(key)), "\n")
}

// sign gives the armoured signature over payload, ending in a line end.
func (s *Signer) sign(payload []byte) ([]byte, error) {
	sig, err := sshsig.Sign(bytes.NewReader(payload), s.ssh, sshsig.HashSHA512, signatureNamespace)
	if err != nil {
		return nil, err
	}
	return sshsig.Armor(sig), nil
}
