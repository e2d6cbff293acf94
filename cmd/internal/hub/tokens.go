package hub

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	stdsync "sync"
	"time"

	"branchline.dev/branchline/sync"
)

// tokenPrefix lets people and secret scanners recognise a token.
const tokenPrefix = "bl_"

// tokens maps access tokens to principals. Only hashes are kept; a token has
// 256 random bits, so a plain SHA-256 is enough. Looking a hash up leaks no
// useful timing: nobody can choose what their token hashes to.
//
// The file is the truth: several processes may change it (a running hub and
// "branchline hub token"), each under the file's lock, and a change takes effect
// at the next request.
type tokens struct {
	file   string
	random io.Reader

	mu     stdsync.Mutex
	byHash map[string]grant
	read   fileVersion // the version of the file that byHash holds
}

// grant says whom a token makes its bearer.
type grant struct {
	Tenant  string             `json:"tenant"`
	Kind    sync.PrincipalKind `json:"kind"`
	Name    string             `json:"name"`
	Cluster string             `json:"cluster,omitempty"`
}

// fileVersion tells a file from an earlier version of it: every change replaces
// the file as a whole, so the inode changes with it.
type fileVersion struct {
	info fs.FileInfo
}

func (v fileVersion) same(info fs.FileInfo) bool {
	return v.info != nil && info != nil && os.SameFile(v.info, info) && v.info.ModTime().Equal(info.ModTime()) && v.info.Size() == info.Size()
}

func openTokens(file string, random io.Reader) (*tokens, error) {
	t := &tokens{file: file, random: random, byHash: map[string]grant{}}
	return t, t.refresh()
}

// refresh reads the file again if it has changed. The caller holds mu, or is
// the only one.
func (t *tokens) refresh() error {
	info, err := os.Stat(t.file)
	if errors.Is(err, fs.ErrNotExist) {
		t.byHash, t.read = map[string]grant{}, fileVersion{}
		return nil
	}
	if err != nil || t.read.same(info) {
		return err
	}
	data, err := os.ReadFile(t.file)
	if err != nil {
		return err
	}
	byHash := map[string]grant{}
	if err := json.Unmarshal(data, &byHash); err != nil {
		return fmt.Errorf("%s: %w; restore it from a backup, or remove it: agents then get new tokens by themselves, people by \"branchline hub token\"", t.file, err)
	}
	t.byHash, t.read = byHash, fileVersion{info}
	return nil
}

// issue makes a token for a principal and revokes all that it had.
func (t *tokens) issue(g grant) (string, error) {
	secret := make([]byte, 32)
	if _, err := io.ReadFull(t.random, secret); err != nil {
		return "", fmt.Errorf("making a token: %w", err)
	}
	token := tokenPrefix + hex.EncodeToString(secret)
	return token, t.change(func(byHash map[string]grant) {
		maps.DeleteFunc(byHash, func(_ string, other grant) bool { return other == g })
		byHash[hashOf(token)] = g
	})
}

// clusterHasAny says whether the agent of a cluster has a token.
func (t *tokens) clusterHasAny(tenant, cluster string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, g := range t.byHash {
		if g.isAgentOf(tenant, cluster) {
			return true
		}
	}
	return false
}

// revokeCluster takes every token from the agent of a cluster that has ended.
func (t *tokens) revokeCluster(tenant, cluster string) error {
	return t.change(func(byHash map[string]grant) {
		maps.DeleteFunc(byHash, func(_ string, g grant) bool { return g.isAgentOf(tenant, cluster) })
	})
}

func (g grant) isAgentOf(tenant, cluster string) bool {
	return g.Tenant == tenant && g.Kind == sync.Agent && g.Cluster == cluster
}

// change writes a changed copy of the newest version; what is in memory follows
// only once it is on disk.
func (t *tokens) change(do func(map[string]grant)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	unlock, err := lockFile(t.file+".lock", patience)
	if err != nil {
		return err
	}
	defer unlock()
	if err := t.refresh(); err != nil {
		return err
	}
	changed := maps.Clone(t.byHash)
	do(changed)
	data, err := json.MarshalIndent(changed, "", "  ")
	if err != nil {
		return err
	}
	if err := writeAtomically(t.file, data); err != nil {
		return err
	}
	return t.refresh()
}

// patience is how long a change waits for another process's change.
const patience = 10 * time.Second

// authenticate finds the principal that a token stands for. If the file cannot
// be read, what was read last counts.
func (t *tokens) authenticate(tenant, token string) (sync.Principal, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.refresh()
	g, ok := t.byHash[hashOf(token)]
	if !ok || g.Tenant != tenant {
		return sync.Principal{}, false
	}
	return sync.Principal{Kind: g.Kind, Name: g.Name, Cluster: g.Cluster}, true
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
