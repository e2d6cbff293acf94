package local

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
)

// TestHubKilled kills the process that runs a cluster, brings the cluster back
// in this process and then uses it.
func TestHubKilled(t *testing.T) {
	dir := t.TempDir()
	options := testOptions(t, dir)
	var ahead atomic.Int64
	options.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	cluster := testCluster("killed", "uid-of-killed")

	key, killed := killHub(t, options)
	var occupied net.Listener
	waitFor(t, func() (free bool) { // the system closes it a moment after the process
		var err error
		occupied, err = net.Listen("tcp", hostPort(killed.Ports.APIServer))
		return err == nil
	})
	defer occupied.Close()

	provider, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = provider.Close(context.Background()) })
	seen := converge(t, provider, cluster)
	if seen.AgentPublicKey != key {
		t.Errorf("agent's key is %q after the restart, was %q: data was lost", seen.AgentPublicKey, key)
	}
	if seen.Endpoint == serverURL(killed.Ports.APIServer) {
		t.Error("the API server is on the port that another program has taken")
	}
	if _, err := New(options); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("a second provider on the same directory: %v", err)
	}

	t.Run("pods run", func(t *testing.T) { podsRun(t, adminClient(t, provider, cluster)) })
	t.Run("label removed by hand comes back", func(t *testing.T) { labelComesBack(t, provider, cluster) })
	t.Run("invalid pool is reported and its agent runs on", func(t *testing.T) { invalidPool(t, provider, cluster) })
	t.Run("unsupported version changes nothing", func(t *testing.T) { unsupportedChangesNothing(t, provider, cluster) })
	t.Run("agent has its own rights only", func(t *testing.T) { agentRights(t, provider, cluster) })
	t.Run("agent is installed anew when its configuration is gone", func(t *testing.T) { installedAnew(t, provider, cluster) })
	t.Run("agent's installation is kept", func(t *testing.T) {
		testInstallation(t, provider, cluster, func() { ahead.Add(int64(2 * intactInterval)) })
	})
	t.Run("no secret lies open", func(t *testing.T) { noOpenSecrets(t, provider, cluster) })
	t.Run("closed provider refuses", func(t *testing.T) {
		if err := provider.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := provider.Converge(t.Context(), cluster); err == nil {
			t.Error("converged")
		}
		if err := provider.Close(t.Context()); err != nil {
			t.Errorf("second close: %v", err)
		}
	})
}

// killHub runs a hub until its cluster is ready, kills it, and checks that
// nothing of the cluster lives on.
func killHub(t *testing.T, o Options) (agentKey string, left state) {
	t.Helper()
	hub := exec.Command(o.Agent, "hub", o.Dir, o.ControlPlane, o.Kwok, o.Agent)
	var errors bytes.Buffer
	hub.Stderr = &errors
	output, err := hub.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := hub.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(output).ReadString('\n')
	_ = hub.Process.Signal(syscall.SIGKILL)
	_ = hub.Wait()
	agentKey, ready := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if !ready {
		t.Fatalf("the hub did not get ready: %s", errors.String())
	}
	left, err = readState(filepath.Join(o.Dir, "clusters", "acme", "uid-of-killed"))
	if err != nil {
		t.Fatal(err)
	}
	if len(left.Processes) != 6 {
		t.Errorf("%d processes are recorded, want 6: %v", len(left.Processes), left.Processes)
	}
	if !diesWithParent {
		return agentKey, left
	}
	for name, record := range left.Processes {
		waitFor(t, func() bool {
			live, err := identify(record.PID)
			return err != nil || live != record
		})
		t.Logf("%s ended with the hub", name)
	}
	return agentKey, left
}

func converge(t *testing.T, p *Provider, c providers.Cluster) providers.Observation {
	t.Helper()
	return convergeUntil(t, p, c, func(o providers.Observation) bool {
		return o.Phase == schemas.InfraReady && o.AgentPublicKey != ""
	})
}

func convergeUntil(t *testing.T, p *Provider, c providers.Cluster, wanted func(providers.Observation) bool) providers.Observation {
	t.Helper()
	for deadline := time.After(time.Minute); ; {
		o, err := p.Converge(t.Context(), c)
		if err == nil && wanted(o) {
			return o
		}
		select {
		case <-deadline:
			t.Fatalf("last observation %+v, error %v", o, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func TestHostileNamesAreRefused(t *testing.T) {
	provider, err := New(testOptions(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = provider.Close(context.Background()) })
	for _, bad := range []string{"", ".", "..", "../x", "a/b", "/etc", "a\x00b", "a b", "-a", strings.Repeat("a", 64)} {
		for what, spoil := range map[string]func(*providers.Cluster){
			"name":   func(c *providers.Cluster) { c.Name = bad },
			"tenant": func(c *providers.Cluster) { c.Desired.Tenant = bad },
			"UID":    func(c *providers.Cluster) { c.Desired.UID = bad },
		} {
			c := testCluster("good", "good")
			spoil(&c)
			if _, err := provider.Converge(t.Context(), c); err == nil {
				t.Errorf("converge with %s %q: no error", what, bad)
			}
			if _, err := provider.Delete(t.Context(), c); err == nil {
				t.Errorf("delete with %s %q: no error", what, bad)
			}
		}
	}
	if left, err := os.ReadDir(provider.options.Dir); err != nil || len(left) != 1 {
		t.Errorf("state directory holds %v, error %v; want the lock only", left, err)
	}
}

func TestNewSaysWhatIsMissing(t *testing.T) {
	options := testOptions(t, t.TempDir())
	options.Agent = filepath.Join(t.TempDir(), "branchline-agent")
	if _, err := New(options); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("got %v, want an error that says how to make the program", err)
	}
	options.Dir = ""
	if _, err := New(options); err == nil || !strings.Contains(err.Error(), "Options.Dir") {
		t.Errorf("got %v, want an error that names the option", err)
	}
}
