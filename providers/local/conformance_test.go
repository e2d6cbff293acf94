package local

import (
	"log/slog"
	"os"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/providers/providertest"
)

func testOptions(t *testing.T, dir string) Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Dir:          dir,
		ControlPlane: providertest.Program(t, "branchline-controlplane"),
		Kwok:         providertest.Program(t, "kwok"),
		Agent:        self,
		Log:          slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func TestConformance(t *testing.T) {
	dir := t.TempDir()
	var provider *Provider
	providertest.Run(t, providertest.Harness{
		Deadline: 90 * time.Second,
		Open: func(t *testing.T) providertest.Provider {
			var err error
			if provider, err = New(testOptions(t, dir)); err != nil {
				t.Fatal(err)
			}
			return provider
		},
		Cluster:    func(_ *testing.T, c *providers.Cluster) { completeCluster(c) },
		Kubernetes: func(t *testing.T, c providers.Cluster) kubernetes.Interface { return adminClient(t, provider, c) },
		RemoveNode: func(t *testing.T, c providers.Cluster, node string) {
			if err := adminClient(t, provider, c).CoreV1().Nodes().Delete(t.Context(), node, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		},
		Break: map[string]func(*testing.T, providers.Cluster){
			"etcd killed":               kill(&provider, etcdName),
			"API server killed":         kill(&provider, apiServerName),
			"controller manager killed": kill(&provider, managerName),
			"scheduler killed":          kill(&provider, schedulerName),
			"nodes' simulator killed":   kill(&provider, kwokName),
			"agent killed":              kill(&provider, agentName),
		},
		Leftovers: leftovers(&provider),
	})
}

func adminClient(t *testing.T, p *Provider, c providers.Cluster) *kubernetes.Clientset {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", p.Kubeconfig(c.Desired.Tenant, c.Name))
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// kill ends one program of a cluster and waits until it has ended.
func kill(p **Provider, name string) func(*testing.T, providers.Cluster) {
	return func(t *testing.T, c providers.Cluster) {
		opened := openedCluster(t, *p, c)
		opened.mu.Lock()
		process := opened.plane.processes.byName[name]
		opened.mu.Unlock()
		if err := process.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-process.done
	}
}

func openedCluster(t *testing.T, p *Provider, c providers.Cluster) *cluster {
	t.Helper()
	dir, err := p.directory(c)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.clusters[dir]
}

// leftovers finds the directory, the kubeconfig and the running processes that a
// cluster had when it was last asked for.
func leftovers(p **Provider) func(*testing.T, providers.Cluster) []string {
	seen := map[string]map[string]processRecord{}
	return func(t *testing.T, c providers.Cluster) (left []string) {
		dir, err := (*p).directory(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(dir); err == nil {
			left = append(left, dir)
			s, err := readState(dir)
			if err != nil {
				t.Fatal(err)
			}
			seen[dir] = s.Processes
		}
		for name, record := range seen[dir] {
			if live, err := identify(record.PID); err == nil && live == record {
				left = append(left, name)
			}
		}
		return left
	}
}
