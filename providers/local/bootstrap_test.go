package local

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"branchline.dev/branchline/agent"
	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
)

// installationTest changes and damages the installation of an agent by the
// product's own manifests.
type installationTest struct {
	provider *Provider
	cluster  providers.Cluster
	client   *kubernetes.Clientset
	later    func() // lets the interval between two looks at the installation pass
	writes   atomic.Int64

	install    agent.Install // less the token
	issued     int
	tokenValid func(token string) (bool, error)
}

func testInstallation(t *testing.T, p *Provider, c providers.Cluster, later func()) {
	it := &installationTest{provider: p, cluster: c, client: adminClient(t, p, c), later: later,
		tokenValid: func(string) (bool, error) { return true, nil },
		install: agent.Install{
			Repository: "http://127.0.0.1:8480/acme.git", Tenant: "acme", Cluster: c.Name, UID: c.Desired.UID,
			TrustedKeys: []string{"ssh-ed25519 AAAA"}, PollInterval: 5e9,
		},
	}
	it.cluster.Agent = providers.AgentBootstrap{
		IssueToken: func(context.Context) (string, error) { it.issued++; return fmt.Sprintf("issued-%d", it.issued), nil },
		TokenValid: func(_ context.Context, token string) (bool, error) { return it.tokenValid(token) },
		Manifests: func(token string) ([]byte, error) {
			install := it.install
			install.Token = token
			return agent.Manifests(install)
		},
	}
	it.countWrites(t)
	t.Run("installation of an earlier version is brought up to date", it.upgrade)
	t.Run("nothing changed, nothing is written", it.quiet)
	t.Run("changed repository arrives, the token stays", it.repository)
	t.Run("rights removed by hand come back", it.rights)
	t.Run("token of unknown validity is left alone", it.unknown)
	t.Run("invalid token is replaced once", it.invalid)
	t.Run("failed update leaves the agent running", it.failed)
	t.Run("nothing is written afterwards", it.quiet)
}

// countWrites counts what the provider sends for the agent.
func (it *installationTest) countWrites(t *testing.T) {
	opened := openedCluster(t, it.provider, it.cluster)
	opened.mu.Lock()
	defer opened.mu.Unlock()
	config := rest.CopyConfig(opened.plane.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			if request.Method != http.MethodGet {
				it.writes.Add(1)
			}
			return next.RoundTrip(request)
		})
	})
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	opened.plane.dynamic = client
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (it *installationTest) secret(t *testing.T) *corev1.Secret {
	t.Helper()
	secret, err := it.client.CoreV1().Secrets(schemas.AgentNamespace).Get(t.Context(), schemas.AgentConfigSecret, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// configuration is the Secret as the agent reads it.
func (it *installationTest) configuration(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for key, value := range it.secret(t).Data {
		texts[key] = string(value)
	}
	return texts
}

func (it *installationTest) agentPID(t *testing.T) int {
	opened := openedCluster(t, it.provider, it.cluster)
	opened.mu.Lock()
	defer opened.mu.Unlock()
	return opened.plane.processes.byName[agentName].cmd.Process.Pid
}

// serviceToken is what the token in the agent's kubeconfig says of its bearer.
// The API server itself believes a revoked one for some seconds more.
func (it *installationTest) serviceToken(t *testing.T) string {
	t.Helper()
	dir, err := it.provider.directory(it.cluster)
	if err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(layout{dir}.path("agent.token"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(token), ".")
	payload, _, _ := strings.Cut(rest, ".")
	claims, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	return string(claims)
}

func (it *installationTest) upgrade(t *testing.T) {
	_, err := it.client.CoreV1().Secrets(schemas.AgentNamespace).Patch(t.Context(), schemas.AgentConfigSecret, types.MergePatchType,
		[]byte(`{"metadata":{"annotations":null},"stringData":{"token":"of-old"}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	converge(t, it.provider, it.cluster)
	want := map[string]string{
		"repository": it.install.Repository, "token": "of-old", "tenant": "acme", "cluster": it.install.Cluster,
		"uid": it.install.UID, "trustedKeys": "ssh-ed25519 AAAA", "pollInterval": "5s",
	}
	if diff := cmp.Diff(want, it.configuration(t)); diff != "" || it.issued != 0 {
		t.Errorf("%d tokens issued; configuration (-want +got):\n%s", it.issued, diff)
	}
}

func (it *installationTest) quiet(t *testing.T) {
	converge(t, it.provider, it.cluster)
	pid, writes, issued, version := it.agentPID(t), it.writes.Load(), it.issued, it.secret(t).ResourceVersion
	for range 5 {
		it.later()
		converge(t, it.provider, it.cluster)
	}
	if n := it.writes.Load() - writes; n != 0 || it.issued != issued || it.secret(t).ResourceVersion != version {
		t.Errorf("%d writes, %d tokens issued", n, it.issued-issued)
	}
	if it.agentPID(t) != pid {
		t.Error("the agent was started again")
	}
}

func (it *installationTest) repository(t *testing.T) {
	pid := it.agentPID(t)
	it.install.Repository, it.install.PollInterval = "http://127.0.0.1:9999/acme.git", 0
	want := it.configuration(t)
	want["repository"] = it.install.Repository
	delete(want, "pollInterval")
	converge(t, it.provider, it.cluster)
	if diff := cmp.Diff(want, it.configuration(t)); diff != "" || it.issued != 0 {
		t.Errorf("%d tokens issued; configuration (-want +got):\n%s", it.issued, diff)
	}
	if it.agentPID(t) == pid {
		t.Error("the agent that has the old address was not started again")
	}
}

func (it *installationTest) rights(t *testing.T) {
	rbac, core, name := it.client.RbacV1(), it.client.CoreV1(), schemas.AgentServiceAccount
	for kind, object := range map[string]struct{ remove, find func() error }{
		"ClusterRole": {
			func() error { return rbac.ClusterRoles().Delete(t.Context(), name, metav1.DeleteOptions{}) },
			func() error { _, err := rbac.ClusterRoles().Get(t.Context(), name, metav1.GetOptions{}); return err },
		},
		"ClusterRoleBinding": {
			func() error { return rbac.ClusterRoleBindings().Delete(t.Context(), name, metav1.DeleteOptions{}) },
			func() error {
				_, err := rbac.ClusterRoleBindings().Get(t.Context(), name, metav1.GetOptions{})
				return err
			},
		},
		"ServiceAccount": {
			func() error {
				return core.ServiceAccounts(schemas.AgentNamespace).Delete(t.Context(), name, metav1.DeleteOptions{})
			},
			func() error {
				_, err := core.ServiceAccounts(schemas.AgentNamespace).Get(t.Context(), name, metav1.GetOptions{})
				return err
			},
		},
	} {
		if err := object.remove(); err != nil {
			t.Fatal(err)
		}
		it.later()
		converge(t, it.provider, it.cluster)
		if err := object.find(); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	account, err := core.ServiceAccounts(schemas.AgentNamespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if token := it.serviceToken(t); !strings.Contains(token, string(account.UID)) {
		t.Errorf("the agent's token is not for the service account made anew, %s: %s", account.UID, token)
	}
	if it.issued != 0 {
		t.Errorf("%d tokens issued", it.issued)
	}
}

func (it *installationTest) unknown(t *testing.T) {
	before, writes := it.secret(t), it.writes.Load()
	it.tokenValid = func(string) (bool, error) { return false, errors.New("the token store is away") }
	it.install.Repository = "http://127.0.0.1:7777/acme.git"
	it.later()
	o := converge(t, it.provider, it.cluster)
	if c := condition(o, conditionAgent); c.Status != "True" || !strings.Contains(c.Message, "the token store is away") {
		t.Errorf("agent: %+v, want it to run and the doubt told", c)
	}
	if it.writes.Load() != writes || it.issued != 0 || it.secret(t).ResourceVersion != before.ResourceVersion {
		t.Error("something was changed")
	}
}

func (it *installationTest) invalid(t *testing.T) {
	pid := it.agentPID(t)
	it.tokenValid = func(token string) (bool, error) { return token == "issued-1", nil }
	o := converge(t, it.provider, it.cluster)
	converge(t, it.provider, it.cluster)
	got := it.configuration(t)
	if got["token"] != "issued-1" || it.issued != 1 || got["repository"] != it.install.Repository {
		t.Errorf("%d tokens issued, configuration %v", it.issued, got)
	}
	if c := condition(o, conditionAgent); c.Status != "True" || c.Message != "" {
		t.Errorf("agent: %+v", c)
	}
	if it.agentPID(t) == pid {
		t.Error("the agent that has the old token was not started again")
	}
}

func (it *installationTest) failed(t *testing.T) {
	pid := it.agentPID(t)
	good := it.cluster.Agent.Manifests
	it.cluster.Agent.Manifests = func(string) ([]byte, error) { return nil, errors.New("no key to trust") }
	o := convergeUntil(t, it.provider, it.cluster, func(o providers.Observation) bool { return o.Phase == schemas.InfraDegraded })
	if c := condition(o, conditionAgent); c.Reason != "NotUpdated" || !strings.Contains(c.Message, "no key to trust") {
		t.Errorf("agent: %+v", c)
	}
	if o.AgentPublicKey == "" || it.agentPID(t) != pid {
		t.Error("the agent does not run as before")
	}
	it.cluster.Agent.Manifests = good
}
