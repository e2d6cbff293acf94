package hub

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	stdsync "sync"

	"branchline.dev/branchline/sync"
)

// tokenPrefix lets people and secret scanners recognise a token.
const tokenPrefix = "bl_"

// tokens maps access tokens to principals. Only hashes are kept; a token has
// 256 random bits, so a plain SHA-256 is enough. Looking a hash up leaks no
// useful timing: nobody can choose what their token hashes to.
type tokens struct {
	file   string
	random io.Reader

	mu     stdsync.Mutex
	byHash map[string]grant
}

// grant says whom a token makes its bearer.
type grant struct {
	Tenant  string             `json:"tenant"`
	Kind    sync.PrincipalKind `json:"kind"`
	Name    string             `json:"name"`
	Cluster string             `json:"cluster,omitempty"`
}

func openTokens(file string, random io.Reader) (*tokens, error) {
	t := &tokens{file: file, random: random, byHash: map[string]grant{}}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &t.byHash); err != nil {
		return nil, fmt.Errorf("%s: %w; restore it from a backup or remove it and issue new tokens", file, err)
	}
	return t, nil
}

// issue makes a token for a principal and revokes all that it had.
func (t *tokens) issue(g grant) (string, error) {
	secret := make([]byte, 32)
	if _, err := io.ReadFull(t.random, secret); err != nil {
		return "", fmt.Errorf("making a token: %w", err)
	}
	token := tokenPrefix + hex.EncodeToString(secret)
	t.mu.Lock()
	defer t.mu.Unlock()
	for hash, other := range t.byHash {
		if other == g {
			delete(t.byHash, hash)
		}
	}
	t.byHash[hashOf(token)] = g
	return token, t.save()
}

// authenticate finds the principal that a token stands for.
func (t *tokens) authenticate(tenant, token string) (sync.Principal, bool) {
	t.mu.Lock()
	g, ok := t.byHash[hashOf(token)]
	t.mu.Unlock()
	if !ok || g.Tenant != tenant {
		return sync.Principal{}, false
	}
	return sync.Principal{Kind: g.Kind, Name: g.Name, Cluster: g.Cluster}, true
}

func (t *tokens) save() error {
	data, err := json.MarshalIndent(t.byHash, "", "  ")
	if err != nil {
		return err
	}
	return writeAtomically(t.file, data)
}

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// writeAtomically replaces a file in one step, readable by its owner alone.
func writeAtomically(file string, data []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), ".new-*") // made with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	if _, err := temporary.Write(data); err != nil {
		temporary.Close()
		return err
	}
	if err := errors.Join(temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), file)
}
