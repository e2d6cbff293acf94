package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	gosync "sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"branchline.dev/branchline/providers/local"
	"branchline.dev/branchline/providers/providertest"
	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// The control plane that all tests of this package share. It starts with the
// first that needs it.
var shared struct {
	start gosync.Once
	dir   string
	plane *local.ControlPlane
	err   error
}

// hookArgument makes the test binary the hook of the Git endpoint under test.
const hookArgument = "run-as-git-hook"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == hookArgument {
		os.Exit(sync.RunHook(context.Background(), os.Stdin, os.Stderr, os.Getenv))
	}
	os.Exit(runWithCluster(m))
}

func runWithCluster(m *testing.M) int {
	dir, err := os.MkdirTemp("", "agent-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	shared.dir = filepath.Join(dir, "cluster")
	code := m.Run()
	if shared.plane != nil {
		if err := shared.plane.Stop(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// startCluster gives an administrator's access to a real control plane. Nobody
// plays kubelet, so pods never start.
func startCluster(t *testing.T) *rest.Config {
	t.Helper()
	program := providertest.Program(t, "branchline-controlplane")
	shared.start.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		shared.plane, shared.err = local.StartControlPlane(ctx, local.ControlPlaneOptions{Dir: shared.dir, Program: program})
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	admin := shared.plane.RESTConfig()
	admin.QPS = -1
	return admin
}

// TestTheTestsRunTheAgentWithItsOwnRights guards the harness: with an
// administrator's certificate every other test would pass without any rights.
func TestTheTestsRunTheAgentWithItsOwnRights(t *testing.T) {
	bed := newTestbed(t)
	client, err := dynamic.NewForConfig(bed.agentConfig())
	if err != nil {
		t.Fatal(err)
	}
	review := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}}
	reviews := schema.GroupVersionResource{Group: "authentication.k8s.io", Version: "v1", Resource: "selfsubjectreviews"}
	answer, err := client.Resource(reviews).Create(t.Context(), review, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	name, _, _ := unstructured.NestedString(answer.Object, "status", "userInfo", "username")
	if want := "system:serviceaccount:" + schemas.AgentNamespace + ":" + schemas.AgentServiceAccount; name != want {
		t.Errorf("the agent under test is %q, want %q", name, want)
	}
}
