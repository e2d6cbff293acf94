package local

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
)

// What TestHubKilled checks of its running cluster.

func podsRun(t *testing.T, client *kubernetes.Clientset) {
	replicas := int32(3)
	labels := map[string]string{"app": "web"}
	_, err := client.AppsV1().Deployments("default").Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "registry.example/web:1"}}},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		d, err := client.AppsV1().Deployments("default").Get(t.Context(), "web", metav1.GetOptions{})
		return err == nil && d.Status.AvailableReplicas == 3
	})
}

func labelComesBack(t *testing.T, p *Provider, c providers.Cluster) {
	nodes := adminClient(t, p, c).CoreV1().Nodes()
	name := c.Name + "-workers-1"
	_, err := nodes.Patch(t.Context(), name, types.MergePatchType, []byte(`{"metadata":{"labels":{"topology.kubernetes.io/zone":null,"team":"web"}}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	converge(t, p, c)
	waitFor(t, func() bool {
		_, _ = p.Converge(t.Context(), c)
		node, err := nodes.Get(t.Context(), name, metav1.GetOptions{})
		return err == nil && node.Labels["topology.kubernetes.io/zone"] == "local-1" && node.Labels["team"] == "web"
	})
}

func invalidPool(t *testing.T, p *Provider, c providers.Cluster) {
	c.Desired.NodePools = append([]schemas.NodePool{}, c.Desired.NodePools...)
	c.Desired.NodePools = append(c.Desired.NodePools, schemas.NodePool{Name: "bad", Count: 1, Labels: map[string]string{"not a key": "x"}})
	o := convergeUntil(t, p, c, func(o providers.Observation) bool { return o.Phase == schemas.InfraDegraded })
	nodes, agent := condition(o, conditionNodes), condition(o, conditionAgent)
	if nodes.Reason != "NodeRefused" || !strings.Contains(nodes.Message, "not a key") || agent.Status != "True" {
		t.Errorf("nodes: %+v, agent: %+v", nodes, agent)
	}
}

func condition(o providers.Observation, kind string) schemas.Condition {
	for _, c := range o.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return schemas.Condition{}
}

func unsupportedChangesNothing(t *testing.T, p *Provider, c providers.Cluster) {
	dir, err := p.directory(c)
	if err != nil {
		t.Fatal(err)
	}
	before, err := readState(dir)
	if err != nil {
		t.Fatal(err)
	}
	c.Desired.Kubernetes = &schemas.InfraPack{Pack: "kubernetes", Version: "1.29.0"}
	c.Desired.NodePools = nil
	o, err := p.Converge(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ready := condition(o, schemas.ConditionReady)
	if o.Phase != schemas.InfraDegraded || ready.Reason != "UnsupportedVersion" || !strings.Contains(ready.Message, `"1.29.0"`) {
		t.Errorf("phase %s, %+v", o.Phase, ready)
	}
	after, err := readState(dir)
	if diff := cmp.Diff(before, after); diff != "" || err != nil {
		t.Errorf("state (-before +after), error %v:\n%s", err, diff)
	}
	nodes, err := adminClient(t, p, c).CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(nodes.Items) == 0 {
		t.Errorf("nodes are gone, error %v", err)
	}
}

func agentRights(t *testing.T, p *Provider, c providers.Cluster) {
	dir, err := p.directory(c)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", layout{dir}.kubeconfig(agentName))
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	self, err := client.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	want := fmt.Sprintf("system:serviceaccount:%s:%s", schemas.AgentNamespace, schemas.AgentServiceAccount)
	if err != nil || self.Status.UserInfo.Username != want {
		t.Errorf("the agent acts as %q, error %v; want %q", self.Status.UserInfo.Username, err, want)
	}
	if _, err := client.CoreV1().Secrets("kube-system").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("the agent may read what its manifests do not grant: %v", err)
	}
}

func installedAnew(t *testing.T, p *Provider, c providers.Cluster) {
	secrets := adminClient(t, p, c).CoreV1().Secrets(schemas.AgentNamespace)
	if err := secrets.Delete(t.Context(), schemas.AgentConfigSecret, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	c.Agent.IssueToken = func(context.Context) (string, error) { return "", fmt.Errorf("the token store is away") }
	o := convergeUntil(t, p, c, func(o providers.Observation) bool { return o.Phase == schemas.InfraDegraded })
	if agent := condition(o, conditionAgent); !strings.Contains(agent.Message, "the token store is away") {
		t.Errorf("agent: %+v, want the reason", agent)
	}
	issued := 0
	c.Agent.IssueToken = func(context.Context) (string, error) { issued++; return "second-canary", nil }
	converge(t, p, c)
	converge(t, p, c)
	secret, err := secrets.Get(t.Context(), schemas.AgentConfigSecret, metav1.GetOptions{})
	if err != nil || string(secret.Data["token"]) != "second-canary" || issued != 1 {
		t.Errorf("issued %d tokens, Secret holds %q, error %v", issued, secret.Data["token"], err)
	}
}

// noOpenSecrets looks at every file: only the owner may read it, and neither
// logs nor state hold the agent's tokens.
func noOpenSecrets(t *testing.T, p *Provider, c providers.Cluster) {
	dir, err := p.directory(c)
	if err != nil {
		t.Fatal(err)
	}
	serviceToken, err := os.ReadFile(filepath.Join(dir, "agent.token"))
	if err != nil || len(serviceToken) == 0 {
		t.Fatalf("no token of the agent's service account: %v", err)
	}
	canaries := []string{"token-of-" + c.Desired.UID, "second-canary", "of-old", "issued-1", string(serviceToken)}
	err = filepath.WalkDir(p.options.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if entry.IsDir() && path != p.options.Dir && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v", path, info.Mode())
		}
		if entry.IsDir() || !strings.HasSuffix(path, ".log") && !strings.HasSuffix(path, stateFile) {
			return nil
		}
		data, err := os.ReadFile(path)
		for _, canary := range canaries {
			if bytes.Contains(data, []byte(canary)) {
				t.Errorf("%s holds a secret", path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(p.Kubeconfig(c.Desired.Tenant, c.Name))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("kubeconfig: %v, error %v; want mode 0600", info, err)
	}
}
