package agent

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"branchline.dev/branchline/sync"
)

// The control plane that all tests of this package share.
var shared struct {
	admin *rest.Config
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
	plane := &controlPlane{dir: dir}
	defer plane.stop()
	shared.admin, shared.err = plane.start()
	return m.Run()
}

// startCluster gives an administrator's access to a real API server with etcd
// and the controllers for namespaces and Deployments.
func startCluster(t *testing.T) *rest.Config {
	t.Helper()
	if shared.err != nil {
		t.Fatalf("start control plane (make build makes its program): %v", shared.err)
	}
	return rest.CopyConfig(shared.admin)
}

type controlPlane struct {
	dir       string
	processes []*exec.Cmd
}

func (c *controlPlane) start() (*rest.Config, error) {
	program, err := controlPlaneProgram()
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	const token = "admin-of-the-test"
	key, tokens, kubeconfig := filepath.Join(c.dir, "sa.key"), filepath.Join(c.dir, "tokens"), filepath.Join(c.dir, "kubeconfig")
	server := fmt.Sprintf("https://127.0.0.1:%d", ports[2])
	if err := writeFiles(key, tokens, token, kubeconfig, server); err != nil {
		return nil, err
	}
	client, peer := fmt.Sprintf("http://127.0.0.1:%d", ports[0]), fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	commands := [][]string{
		{"etcd", "--name=test", "--data-dir=" + filepath.Join(c.dir, "etcd"), "--unsafe-no-fsync", "--log-level=error",
			"--listen-client-urls=" + client, "--advertise-client-urls=" + client, "--listen-peer-urls=" + peer,
			"--initial-advertise-peer-urls=" + peer, "--initial-cluster=test=" + peer},
		{"kube-apiserver", "--etcd-servers=" + client, "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports[2]),
			"--cert-dir=" + filepath.Join(c.dir, "certs"), "--token-auth-file=" + tokens, "--authorization-mode=RBAC",
			"--service-account-issuer=https://kubernetes.default.svc", "--service-account-signing-key-file=" + key,
			"--service-account-key-file=" + key, "--service-cluster-ip-range=10.0.0.0/24", "--disable-admission-plugins=ServiceAccount"},
		{"kube-controller-manager", "--kubeconfig=" + kubeconfig, "--leader-elect=false", "--secure-port=0",
			"--controllers=namespace-controller,deployment-controller,replicaset-controller,garbage-collector-controller"},
	}
	for _, command := range commands {
		if err := c.run(program, command); err != nil {
			return nil, err
		}
	}
	admin := &rest.Config{Host: server, BearerToken: token, TLSClientConfig: rest.TLSClientConfig{Insecure: true}, QPS: -1}
	return admin, waitForServer(admin)
}

func controlPlaneProgram() (string, error) {
	for _, path := range []string{os.Getenv("BRANCHLINE_CONTROLPLANE"), "../bin/branchline-controlplane"} {
		if _, err := os.Stat(path); path != "" && err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("bin/branchline-controlplane does not exist")
}

func (c *controlPlane) run(program string, args []string) error {
	command := exec.Command(program, args...)
	log, err := os.Create(filepath.Join(c.dir, args[0]+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.processes = append(c.processes, command)
	return command.Start()
}

func (c *controlPlane) stop() {
	for i := len(c.processes) - 1; i >= 0; i-- {
		if process := c.processes[i]; process.Process != nil {
			_ = process.Process.Kill()
			_ = process.Wait()
		}
	}
}

func freePorts(count int) ([]int, error) {
	var ports []int
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func writeFiles(key, tokens, token, kubeconfig, server string) error {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	encoded := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)})
	for path, content := range map[string]string{
		key:    string(encoded),
		tokens: token + ",admin,admin,system:masters\n",
		kubeconfig: fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"t","contexts":[{"name":"t","context":{"cluster":"t","user":"t"}}],
"clusters":[{"name":"t","cluster":{"server":%q,"insecure-skip-tls-verify":true}}],"users":[{"name":"t","user":{"token":%q}}]}`, server, token),
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func waitForServer(config *rest.Config) error {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for {
		_, err = client.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		pause(ctx, 50*time.Millisecond)
	}
}
