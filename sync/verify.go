package sync

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

const signatureHeader = "gpgsig "

// VerifyCommit checks the signature over the content of a commit object and
// gives the key that made it, as a line of an authorized_keys file without
// comment. trusted holds such lines. Every failure is an ErrUntrusted.
//
// It works on the bytes as they are stored and never on a re-encoding. The
// headers must be exactly tree, any number of parents, author, committer and
// gpgsig, once each and in this order, so that no reader can see another tree
// than the one that was signed. Keys are ed25519; the hash is SHA-512.
func VerifyCommit(raw []byte, trusted []string) (key string, err error) {
	payload, signature, err := splitSignature(raw)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	public, err := trustedSigner(signature, trusted)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	if err := sshsig.Verify(bytes.NewReader(payload), signature, public, sshsig.HashSHA512, signatureNamespace); err != nil {
		return "", fmt.Errorf("%w: signature by %s does not fit the content", ErrUntrusted, ssh.FingerprintSHA256(public))
	}
	return authorizedKey(public), nil
}

// splitSignature takes a commit apart into what was signed and the signature.
func splitSignature(raw []byte) ([]byte, *sshsig.Signature, error) {
	r := &headerReader{rest: raw}
	r.one("tree")
	r.any("parent")
	r.one("author")
	r.one("committer")
	before := len(raw) - len(r.rest)
	armoured := r.signature()
	after := len(raw) - len(r.rest)
	if r.err == nil && !bytes.HasPrefix(r.rest, []byte("\n")) {
		line, _, _ := bytes.Cut(r.rest, []byte("\n"))
		r.err = fmt.Errorf("header %q is unknown, misplaced or a duplicate", clip(string(line)))
	}
	if r.err == nil && bytes.IndexByte(raw, 0) >= 0 {
		// git ends strings at a NUL and would show less than what was signed.
		r.err = errors.New("commit holds a NUL byte")
	}
	if r.err != nil {
		return nil, nil, r.err
	}
	signature, err := parseSignature(armoured)
	payload := append(bytes.Clone(raw[:before]), raw[after:]...)
	return payload, signature, err
}

// headerReader consumes headers from the front; the first error sticks.
type headerReader struct {
	rest []byte
	err  error
}

// next consumes one line that starts with prefix and gives what follows it.
func (r *headerReader) next(prefix string) (string, bool) {
	line, rest, ok := bytes.Cut(r.rest, []byte("\n"))
	if r.err != nil || !ok || !bytes.HasPrefix(line, []byte(prefix)) {
		return "", false
	}
	r.rest = rest
	return string(line[len(prefix):]), true
}

func (r *headerReader) one(name string) {
	value, ok := r.next(name + " ")
	if r.err == nil && !ok {
		r.err = fmt.Errorf("header %q is missing or misplaced", name)
	}
	r.checkID(name, value)
}

func (r *headerReader) any(name string) {
	for value, ok := r.next(name + " "); ok; value, ok = r.next(name + " ") {
		r.checkID(name, value)
	}
}

func (r *headerReader) checkID(name, value string) {
	if r.err == nil && (name == "tree" || name == "parent") {
		_, r.err = parseID(value)
	}
}

func (r *headerReader) signature() string {
	first, ok := r.next(signatureHeader)
	if r.err == nil && !ok {
		r.err = errors.New("commit is not signed")
	}
	var text strings.Builder
	text.WriteString(first + "\n")
	for line, ok := r.next(" "); ok; line, ok = r.next(" ") {
		text.WriteString(line + "\n")
	}
	return text.String()
}

func parseSignature(armoured string) (*sshsig.Signature, error) {
	if !strings.HasPrefix(armoured, "-----BEGIN "+sshsig.PEMType+"-----\n") {
		return nil, errors.New("signature is not an SSH signature")
	}
	block, rest := pem.Decode([]byte(armoured))
	if block == nil || len(rest) > 0 || len(block.Headers) > 0 || block.Type != sshsig.PEMType {
		return nil, errors.New("signature is not one well-formed SSH signature")
	}
	signature, err := sshsig.ParseSignature(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read signature: %w", err)
	}
	if t := signature.PublicKey.Type(); t != ssh.KeyAlgoED25519 {
		return nil, fmt.Errorf("signature is by a key of type %s; only %s is accepted", t, ssh.KeyAlgoED25519)
	}
	if signature.HashAlgorithm != sshsig.HashSHA512 {
		return nil, fmt.Errorf("signature uses the hash %s; only %s is accepted", signature.HashAlgorithm, sshsig.HashSHA512)
	}
	return signature, nil
}

// trustedSigner finds the signature's key among the trusted ones.
func trustedSigner(signature *sshsig.Signature, trusted []string) (ssh.PublicKey, error) {
	unreadable := 0
	for _, line := range trusted {
		public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil {
			unreadable++
			continue
		}
		if bytes.Equal(public.Marshal(), signature.PublicKey.Marshal()) {
			return public, nil
		}
	}
	return nil, fmt.Errorf("key %s is none of the %d trusted keys (%d of them unreadable)",
		ssh.FingerprintSHA256(signature.PublicKey), len(trusted), unreadable)
}
