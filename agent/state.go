package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	gosync "sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"branchline.dev/branchline/schemas"
)

const (
	stateName = "branchline-agent-state"
	stateKey  = "state.json"
)

// state is what must survive a restart. Losing it changes nothing in the
// cluster; it only makes the agent believe older commits again.
type state struct {
	UID string `json:"uid"`
	// The newest trusted commit. The generation counts for all keys alike: were it kept for each
	// key by itself, the last commit of a retired key could be served again.
	Generation int64  `json:"generation"`
	Commit     string `json:"commit,omitempty"`
	Digest     string `json:"digest,omitempty"`
	Key        string `json:"key,omitempty"` // that signed it
	// TrustedKeys come from that commit. They give way when a person changes the BootstrapKeys, which are the Secret's.
	TrustedKeys   []string `json:"trustedKeys"`
	BootstrapKeys []string `json:"bootstrapKeys"`
	// Applied is the newest commit applied as a whole.
	Applied schemas.DesiredRevision `json:"applied"`
	// The newest status that was pushed.
	Sequence     int64  `json:"sequence"`
	StatusCommit string `json:"statusCommit,omitempty"`
	Healed       int64  `json:"healed"`
}

// memory holds the state and stores every change that matters.
type memory struct {
	api api
	mu  gosync.Mutex
	now state
}

// loadMemory reads the state, or starts a new one if there is none or if it is
// of another incarnation of the cluster.
func loadMemory(ctx context.Context, api api, config Config) (*memory, error) {
	m := &memory{api: api}
	object, err := api.of(configMaps(), schemas.AgentNamespace).Get(ctx, stateName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		return nil, fmt.Errorf("read ConfigMap %s: %w", stateName, err)
	default:
		stored, _, _ := unstructured.NestedString(object.Object, "data", stateKey)
		if err := json.Unmarshal([]byte(stored), &m.now); err != nil {
			return nil, fmt.Errorf("read ConfigMap %s: %w; repair it, or delete it to trust the keys and generation that come next", stateName, err)
		}
	}
	if m.now.UID != config.UID {
		m.now = state{UID: config.UID}
	}
	m.configure(config)
	return m, nil
}

// configure lets the keys of the Secret count again when they are not the ones
// that were replaced: it is how a person recovers from lost keys.
func (m *memory) configure(config Config) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Equal(m.now.BootstrapKeys, config.TrustedKeys) {
		m.now.BootstrapKeys, m.now.TrustedKeys = config.TrustedKeys, config.TrustedKeys
	}
}

func (m *memory) get() state {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// update changes the state in memory only once it is stored.
func (m *memory) update(ctx context.Context, change func(*state)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := m.now
	change(&next)
	encoded, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	object := memoryObject("ConfigMap", stateName)
	object.Object["data"] = map[string]any{stateKey: string(encoded)}
	if _, err := m.api.apply(ctx, configMaps(), object, false); err != nil {
		return fmt.Errorf("store state: %w", err)
	}
	m.now = next
	return nil
}

// healed counts without storing: the next status that is pushed stores it.
func (m *memory) healed(count int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.Healed += count
}

func (m *memory) trust(config Config) trust {
	now := m.get()
	return trust{
		Tenant: config.Tenant, Cluster: config.Cluster, UID: config.UID, Keys: now.TrustedKeys,
		Generation: now.Generation, Commit: now.Commit, Digest: now.Digest,
	}
}
