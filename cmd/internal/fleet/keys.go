package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
)

// TrustedKeys reads the public keys that a person trusts. Each value is a key as
// it stands in an authorized_keys file, or names a file with such lines, of which
// empty ones and comments are passed over. A value without any key is an error,
// so that a mistake never means "trust whatever the branch says".
func TrustedKeys(values []string) ([]string, error) {
	var keys []string
	for _, value := range values {
		if strings.HasPrefix(value, "ssh-") && strings.Contains(value, " ") {
			key, err := parseKey(value)
			if err != nil {
				return nil, fmt.Errorf("trusted key %q: %w", value, err)
			}
			keys = append(keys, key)
			continue
		}
		found, err := readKeys(value)
		if err != nil {
			return nil, fmt.Errorf("reading trusted keys: %w", err)
		}
		keys = append(keys, found...)
	}
	return keys, nil
}

func readKeys(file string) ([]string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var keys []string
	number := 0
	for line := range bytes.Lines(data) {
		number++
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' {
			continue
		}
		key, err := parseKey(text)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, number, err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s holds no key; write one line \"ssh-ed25519 AAAA...\" for each", file)
	}
	return keys, nil
}

func parseKey(line string) (string, error) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return "", errors.New("it is no public key; write \"ssh-ed25519 AAAA...\", as spec.trustedKeys of cluster.yaml has it")
	}
	if kind := key.Type(); kind != ssh.KeyAlgoED25519 {
		return "", fmt.Errorf("it is of type %s; only %s signs commits here", kind, ssh.KeyAlgoED25519)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), nil
}
