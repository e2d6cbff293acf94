package providertest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
)

// marker is an object that the suite adds to the agent's manifests.
const marker = "branchline-conformance"

// agent changes what the agent is to be installed by, and damages what it was.
func (s *suite) agent(t *testing.T) {
	given := s.one.Agent
	defer func() { s.one.Agent = given }()
	issued, valid := 0, s.agentToken(t)
	s.one.Agent = providers.AgentBootstrap{
		IssueToken: func(context.Context) (string, error) {
			issued++
			valid = fmt.Sprintf("conformance-%d", issued)
			return valid, nil
		},
		TokenValid: func(_ context.Context, token string) (bool, error) { return token == valid, nil },
		Manifests: func(token string) ([]byte, error) {
			data, err := given.Manifests(token)
			return fmt.Appendf(data, "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: %s}\n",
				marker, schemas.AgentNamespace), err
		},
	}
	markers := s.Kubernetes(t, s.one).CoreV1().ConfigMaps(schemas.AgentNamespace)
	marked := func(providers.Observation) bool {
		_, err := markers.Get(t.Context(), marker, metav1.GetOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Errorf("look for the marker: %v", err)
		}
		return err == nil
	}

	first := valid
	s.until(t, s.provider, s.one, "changed manifests are applied", marked)
	s.untilReady(t, s.provider, s.one)
	if got := s.agentToken(t); got != first || issued != 0 {
		t.Errorf("changed manifests: the cluster holds another token than before, %d were issued", issued)
	}
	if err := markers.Delete(t.Context(), marker, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	s.until(t, s.provider, s.one, "an object deleted by hand is back", marked)

	known := s.one.Agent.TokenValid
	s.one.Agent.TokenValid = func(context.Context, string) (bool, error) { return false, errors.New("the token store is away") }
	s.untilReady(t, s.provider, s.one)
	if got := s.agentToken(t); got != first || issued != 0 {
		t.Errorf("unknown validity: the token was replaced, %d were issued", issued)
	}
	s.one.Agent.TokenValid = known
	valid = ""
	s.until(t, s.provider, s.one, "an invalid token is replaced", func(providers.Observation) bool {
		return s.agentToken(t) == "conformance-1"
	})
	if o := s.untilReady(t, s.provider, s.one); issued != 1 || o.AgentPublicKey != s.key {
		t.Errorf("%d tokens were issued in place of one; agent's key is %q, was %q", issued, o.AgentPublicKey, s.key)
	}
}

func (s *suite) agentToken(t *testing.T) string {
	t.Helper()
	secret, err := s.Kubernetes(t, s.one).CoreV1().Secrets(schemas.AgentNamespace).
		Get(t.Context(), schemas.AgentConfigSecret, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return string(secret.Data[providers.AgentTokenKey])
}
