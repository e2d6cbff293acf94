package providertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"k8s.io/client-go/kubernetes"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
)

// Provider is what the suite runs on.
type Provider interface {
	providers.Provider
	Close(ctx context.Context) error
}

// Harness says how to use one cloud.
type Harness struct {
	// Open makes a provider. It is called again after Close, and must then find
	// the clusters that the one before it made.
	Open func(t *testing.T) Provider
	// Cluster completes the description of a cluster that has a name, tenant,
	// UID and node pools: its cloud and its agent.
	Cluster func(t *testing.T, cluster *providers.Cluster)
	// Kubernetes connects to the cluster as its administrator.
	Kubernetes func(t *testing.T, cluster providers.Cluster) kubernetes.Interface
	// RemoveNode deletes a node without the provider's knowledge.
	RemoveNode func(t *testing.T, cluster providers.Cluster, node string)
	// Break damages the running cluster in one way a name; the provider must mend it.
	Break map[string]func(t *testing.T, cluster providers.Cluster)
	// Leftovers lists what still exists of a cluster.
	Leftovers func(t *testing.T, cluster providers.Cluster) []string
	// Deadline bounds the wait for one change.
	Deadline time.Duration
}

// cluster describes a new incarnation of a cluster.
func (h Harness) cluster(t *testing.T, name string, pools ...schemas.NodePool) providers.Cluster {
	t.Helper()
	c := providers.Cluster{Name: name, Desired: schemas.DesiredInfrastructureSpec{
		Tenant: "conformance", UID: uuid.NewString(), NodePools: pools,
	}}
	h.Cluster(t, &c)
	return c
}

// until steps the provider until it observes what is wanted.
func (h Harness) until(t *testing.T, p Provider, c providers.Cluster, what string, wanted func(providers.Observation) bool) providers.Observation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), h.Deadline)
	defer cancel()
	var last providers.Observation
	var lastErr error
	for {
		last, lastErr = p.Converge(ctx, c)
		if lastErr == nil && wanted(last) {
			return last
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not reached within %s: %s\nlast observation: %s\nlast error: %v", h.Deadline, what, describe(last), lastErr)
		case <-time.After(min(max(last.RequeueAfter, 20*time.Millisecond), 100*time.Millisecond)):
		}
	}
}

func (h Harness) untilReady(t *testing.T, p Provider, c providers.Cluster) providers.Observation {
	t.Helper()
	return h.until(t, p, c, "ready, with an agent that has a key", func(o providers.Observation) bool {
		return o.Phase == schemas.InfraReady && o.AgentPublicKey != ""
	})
}

func (h Harness) untilDeleted(t *testing.T, p Provider, c providers.Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), h.Deadline)
	defer cancel()
	for {
		o, err := p.Delete(ctx, c)
		if err == nil && o.Phase == schemas.InfraDeleted {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not deleted within %s: phase %s, error %v", h.Deadline, o.Phase, err)
		case <-time.After(max(o.RequeueAfter, 20*time.Millisecond)):
		}
	}
}

func describe(o providers.Observation) string {
	return fmt.Sprintf("phase %s, conditions %+v, %d nodes", o.Phase, o.Conditions, len(o.Nodes))
}

func nodeNames(o providers.Observation) []string {
	var names []string
	for _, n := range o.Nodes {
		names = append(names, n.Name)
	}
	return names
}
