package agent

import (
	"context"
	"crypto/rand"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// gitServer is the hub's Git endpoint over a repository on disk.
type gitServer struct {
	t      *testing.T
	repo   *sync.Repository
	signer *sync.Signer
	url    string
}

func newGitServer(t *testing.T) *gitServer {
	t.Helper()
	repo, err := sync.InitRepository(t.Context(), filepath.Join(t.TempDir(), "acme.git"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := sync.GenerateSigner(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	server, err := sync.NewServer(sync.ServerOptions{
		Repository: func(tenant string) (*sync.Repository, bool) { return repo, tenant == testTenant },
		Authenticate: func(_, _, token string) (sync.Principal, bool) {
			return sync.Principal{Kind: sync.Agent, Name: "agent", Cluster: testCluster}, token == tokenCanary
		},
		Check:       func(context.Context, sync.Push) error { return nil },
		Received:    func(string, []sync.RefChange) {},
		HookCommand: []string{program, hookArgument},
		Log:         slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(func() {
		web.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return &gitServer{t: t, repo: repo, signer: signer, url: web.URL + "/" + testTenant + ".git"}
}

func (g *gitServer) publish(state desiredState, expect string) string {
	g.t.Helper()
	update := sync.Update{
		Ref: schemas.DesiredRef(testCluster), Expect: expect, Files: state.files(g.t),
		Message: "desired state", When: time.Unix(1_700_000_000, 0),
	}
	if expect != "" {
		update.Parents = []string{expect}
	}
	published, err := g.repo.Publish(g.t.Context(), g.signer, []sync.Update{update})
	if err != nil {
		g.t.Fatal(err)
	}
	return published[0].Commit
}

// status reads the newest status commit as a reader on the hub would.
func (g *gitServer) status() (schemas.AgentStatusBody, string) {
	g.t.Helper()
	tip, err := g.repo.Tip(g.t.Context(), schemas.AgentStatusRef(testCluster))
	if err != nil {
		return schemas.AgentStatusBody{}, ""
	}
	files, err := g.repo.Files(g.t.Context(), tip)
	if err != nil {
		g.t.Fatal(err)
	}
	content, err := fs.ReadFile(files, schemas.StatusFile)
	if err != nil {
		g.t.Fatal(err)
	}
	var status schemas.AgentStatus
	if err := schemas.Unmarshal(content, &status); err != nil {
		g.t.Fatal(err)
	}
	return status.Status, tip
}

func TestEndToEndOverGit(t *testing.T) {
	bed, git := newTestbed(t), newGitServer(t)
	bed.install(git.url, git.signer.PublicKey())
	state := desiredState{uid: bed.uid, generation: 1, keys: []string{git.signer.PublicKey()}, layers: []layerOf{configMapLayer("base", bed.namespace, 3, "one")}}
	first := git.publish(state, "")
	ready := func(commit string) {
		t.Helper()
		bed.eventually(func() string {
			if status, _ := git.status(); status.Applied.Commit != commit || conditionOf(status, schemas.ConditionReady).Status != "True" {
				return "no status commit says that the desired commit is applied"
			}
			return ""
		})
	}
	run := func() func() {
		options := bed.options()
		options.Connect = nil // the real one
		return bed.runWith(options)
	}
	stop := run()
	ready(first)
	before, tip := git.status()
	stop()
	git.verifyCommit(bed, tip)

	// The sequence goes on after a restart, also when the agent's own memory of it is lost.
	if err := bed.resource("ConfigMap", schemas.AgentNamespace).Delete(t.Context(), stateName, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	state.generation, state.layers = 2, []layerOf{configMapLayer("base", bed.namespace, 2, "two")}
	second := git.publish(state, first)
	stop = run()
	defer stop()
	ready(second)
	after, tip := git.status()
	git.verifyCommit(bed, tip)
	if after.Sequence <= before.Sequence || after.Previous == "" {
		t.Errorf("sequence went from %d to %d, previous %q", before.Sequence, after.Sequence, after.Previous)
	}
	bed.eventually(func() string {
		return cmp.Diff(map[string]string{"base-000": "two", "base-001": "two"}, bed.content())
	})
}

// The hub moves: nothing answers at the old address, and the Secret names the new one.
func TestMovedRepositoryIsFollowed(t *testing.T) {
	bed, git := newTestbed(t), newGitServer(t)
	address, err := url.Parse(git.url)
	if err != nil {
		t.Fatal(err)
	}
	old := httptest.NewServer(httputil.NewSingleHostReverseProxy(&url.URL{Scheme: address.Scheme, Host: address.Host}))
	defer old.Close()
	bed.install(old.URL+address.Path, git.signer.PublicKey())
	state := desiredState{uid: bed.uid, generation: 1, keys: []string{git.signer.PublicKey()}, layers: []layerOf{configMapLayer("base", bed.namespace, 1, "one")}}
	first := git.publish(state, "")
	options := bed.options()
	options.Connect = nil // the real one
	bed.runWith(options)
	value := func(want string) func() string {
		return func() string { return cmp.Diff(want, bed.value("base-000")) }
	}
	bed.eventually(value("one"))

	old.CloseClientConnections()
	old.Close()
	state.generation, state.layers = 2, []layerOf{configMapLayer("base", bed.namespace, 1, "two")}
	second := git.publish(state, first)
	bed.eventually(func() string {
		if !strings.Contains(bed.logs.String(), "Unreachable") {
			return "the agent has not noticed that nothing answers"
		}
		return ""
	})
	bed.install(git.url, git.signer.PublicKey())
	bed.eventually(value("two"))
	bed.eventually(func() string { // the status goes to the new address too
		status, _ := git.status()
		return cmp.Diff(second, status.Applied.Commit)
	})
}

// verifyCommit has git itself check the signature of a status commit.
func (g *gitServer) verifyCommit(bed *testbed, commit string) {
	g.t.Helper()
	identity, err := bed.resource("Secret", schemas.AgentNamespace).Get(g.t.Context(), schemas.AgentIdentitySecret, metav1.GetOptions{})
	if err != nil {
		g.t.Fatal(err)
	}
	values, err := secretData(identity)
	if err != nil {
		g.t.Fatal(err)
	}
	signers := filepath.Join(g.t.TempDir(), "signers")
	if err := os.WriteFile(signers, []byte("* "+values["publicKey"]+"\n"), 0o600); err != nil {
		g.t.Fatal(err)
	}
	command := exec.CommandContext(g.t.Context(), "git", "-C", g.repo.Dir(), "-c", "gpg.format=ssh",
		"-c", "gpg.ssh.allowedSignersFile="+signers, "verify-commit", commit)
	if output, err := command.CombinedOutput(); err != nil {
		g.t.Errorf("git verify-commit %s: %v\n%s", commit, err, output)
	}
}
