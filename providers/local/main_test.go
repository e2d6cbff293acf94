package local

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
)

// TestMain lets the test binary also play the programs that a provider runs or
// is run by: the agent, and a hub that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "--kubeconfig" {
		exit(standInAgent(os.Args[2]))
	}
	if len(os.Args) == 6 && os.Args[1] == "hub" {
		exit(standInHub(os.Args[2], os.Args[3], os.Args[4], os.Args[5]))
	}
	os.Exit(m.Run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// standInAgent makes its identity as the real agent does and waits for its end.
func standInAgent(kubeconfig string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	_, err = client.CoreV1().Secrets(schemas.AgentNamespace).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: schemas.AgentIdentitySecret},
		StringData: map[string]string{"publicKey": fmt.Sprintf("ssh-ed25519 stand-in-%d\n", os.Getpid())},
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	<-ctx.Done()
	return nil
}

// standInHub brings up a cluster, says so and carries on until it is killed.
func standInHub(dir, controlPlane, kwok, agent string) error {
	provider, err := New(Options{Dir: dir, ControlPlane: controlPlane, Kwok: kwok, Agent: agent, Log: slog.Default()})
	if err != nil {
		return err
	}
	for {
		o, err := provider.Converge(context.Background(), testCluster("killed", "uid-of-killed"))
		if err == nil && o.Phase == schemas.InfraReady && o.AgentPublicKey != "" {
			fmt.Println("ready", o.AgentPublicKey)
			select {}
		}
	}
}

// testCluster is a cluster with one node and an agent that the stand-in can be.
func testCluster(name, uid string) providers.Cluster {
	c := providers.Cluster{Name: name, Desired: schemas.DesiredInfrastructureSpec{
		Tenant: "acme", UID: uid, NodePools: []schemas.NodePool{{Name: "workers", Count: 1}},
	}}
	completeCluster(&c)
	return c
}

func completeCluster(c *providers.Cluster) {
	c.Desired.Cloud.Type = Type
	c.Desired.Kubernetes = &schemas.InfraPack{Pack: "kubernetes", Version: "1.35.0"}
	c.Agent = providers.AgentBootstrap{
		IssueToken: func(context.Context) (string, error) { return "token-of-" + c.Desired.UID, nil },
		Manifests:  agentManifests,
	}
}

func agentManifests(token string) ([]byte, error) {
	return fmt.Appendf(nil, `# stand-in agent
apiVersion: v1
kind: Namespace
metadata: {name: %[1]s}
---
apiVersion: v1
kind: Secret
metadata: {name: %[2]s, namespace: %[1]s}
stringData: {token: %[3]s}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: %[4]s, namespace: %[1]s}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: %[4]s, namespace: %[1]s}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: %[4]s, namespace: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: %[4]s}
subjects:
- {kind: ServiceAccount, name: %[4]s, namespace: %[1]s}
`, schemas.AgentNamespace, schemas.AgentConfigSecret, token, schemas.AgentServiceAccount), nil
}
