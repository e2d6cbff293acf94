package providertest

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
)

// Run runs the suite. Its parts follow on one another on the same clusters,
// because making one is slow; the first that fails ends it.
func Run(t *testing.T, h Harness) {
	s := &suite{Harness: h, provider: h.Open(t)}
	t.Cleanup(func() {
		if err := s.provider.Close(context.Background()); err != nil {
			t.Errorf("close the provider: %v", err)
		}
	})
	s.one = h.cluster(t, "one", schemas.NodePool{Name: "workers", Role: "worker", Count: 2})
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"delete of what was never made", s.deleteUnknown},
		{"create, with calls cancelled between", s.create},
		{"calling again changes nothing", s.again},
		{"scale up and down", s.scale},
		{"node removed by hand comes back", s.removedNode},
		{"damage is mended", s.damage},
		{"agent stays installed as told", s.agent},
		{"new provider finds the same cluster", s.restart},
		{"another UID is another cluster", s.otherUID},
		{"delete, twice", s.delete},
	} {
		if !t.Run(part.name, part.run) {
			return
		}
	}
}

type suite struct {
	Harness
	provider Provider
	one      providers.Cluster
	key      string // of the agent of one
}

func (s *suite) deleteUnknown(t *testing.T) {
	s.untilDeleted(t, s.provider, s.cluster(t, "never"))
}

func (s *suite) create(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		// Each call is cut off at once, and the next real one carries on.
		if _, err := s.provider.Converge(cancelled, s.one); err != nil && !errors.Is(err, context.Canceled) {
			t.Logf("a cancelled call said: %v", err)
		}
		if _, err := s.provider.Converge(t.Context(), s.one); err != nil {
			t.Logf("a call said: %v", err)
		}
	}
	o := s.untilReady(t, s.provider, s.one)
	s.key = o.AgentPublicKey
	if len(o.Nodes) != 2 {
		t.Errorf("got nodes %v, want 2", nodeNames(o))
	}
	if o.Endpoint == "" || o.KubernetesVersion == "" {
		t.Errorf("endpoint %q or version %q is missing", o.Endpoint, o.KubernetesVersion)
	}
}

func (s *suite) again(t *testing.T) {
	first := s.untilReady(t, s.provider, s.one)
	for range 3 {
		second, err := s.provider.Converge(t.Context(), s.one)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatalf("another call observed something else (-first +second):\n%s", diff)
		}
	}
}

func (s *suite) scale(t *testing.T) {
	for _, count := range []int{4, 0, 1, 3} {
		s.one.Desired.NodePools[0].Count = count
		s.until(t, s.provider, s.one, "scaled", func(o providers.Observation) bool {
			return o.Phase == schemas.InfraReady && len(o.Nodes) == count
		})
	}
}

func (s *suite) removedNode(t *testing.T) {
	names := nodeNames(s.untilReady(t, s.provider, s.one))
	s.RemoveNode(t, s.one, names[1])
	o := s.untilReady(t, s.provider, s.one)
	if diff := cmp.Diff(names, nodeNames(o)); diff != "" {
		t.Errorf("nodes (-before +after):\n%s", diff)
	}
}

func (s *suite) damage(t *testing.T) {
	for name, harm := range s.Break {
		t.Run(name, func(t *testing.T) {
			harm(t, s.one)
			o := s.untilReady(t, s.provider, s.one)
			if o.AgentPublicKey != s.key {
				t.Errorf("the agent has another key than before: the cluster was made anew")
			}
		})
	}
}

func (s *suite) restart(t *testing.T) {
	if err := s.provider.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.provider = s.Open(t)
	o := s.untilReady(t, s.provider, s.one)
	if o.AgentPublicKey != s.key {
		t.Errorf("the agent has another key than before: the cluster was made anew")
	}
}

func (s *suite) otherUID(t *testing.T) {
	namesake := s.cluster(t, s.one.Name)
	o := s.untilReady(t, s.provider, namesake)
	if o.AgentPublicKey == s.key {
		t.Error("a cluster of the same name and another UID has the same agent")
	}
	if len(s.Leftovers(t, namesake)) == 0 {
		t.Error("the harness sees nothing of a running cluster: its Leftovers cannot show that one was deleted")
	}
	s.untilDeleted(t, s.provider, namesake)
	if left := s.Leftovers(t, namesake); len(left) > 0 {
		t.Errorf("left of the deleted cluster: %v", left)
	}
	o, err := s.provider.Converge(t.Context(), s.one)
	if err != nil || o.Phase != schemas.InfraReady {
		t.Errorf("deleting its namesake disturbed the cluster: %s, error %v", describe(o), err)
	}
}

func (s *suite) delete(t *testing.T) {
	if len(s.Leftovers(t, s.one)) == 0 {
		t.Error("the harness sees nothing of a running cluster: its Leftovers cannot show that one was deleted")
	}
	for range 2 {
		s.untilDeleted(t, s.provider, s.one)
		if left := s.Leftovers(t, s.one); len(left) > 0 {
			t.Errorf("left of the deleted cluster: %v", left)
		}
	}
}
