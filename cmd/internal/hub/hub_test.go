package hub

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"branchline.dev/branchline/examples"
	"branchline.dev/branchline/providers/all"
	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// TestMain lets git run this test binary as the pre-receive hook.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "hook" {
		os.Exit(sync.RunHook(context.Background(), os.Stdin, os.Stderr, os.Getenv))
	}
	os.Exit(m.Run())
}

func options(data string) Options {
	return Options{
		Data: data, URL: "http://hub.invalid", Version: "test",
		HookCommand: []string{os.Args[0], "hook"},
		Clouds:      all.Schemas(),
		Log:         slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func open(t *testing.T, data string, tenants ...string) *Hub {
	t.Helper()
	h, err := Open(t.Context(), options(data))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	for _, tenant := range tenants {
		if err := h.AddTenant(t.Context(), tenant); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// serve runs the hub and returns its address and how to stop it.
func serve(t *testing.T, h *Hub) (address string, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx, listener) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			if err := <-done; err != nil {
				t.Errorf("run: %v", err)
			}
		}
	}
	t.Cleanup(stop)
	return listener.Addr().String(), stop
}

// running serves a tenant acme and gives the URL with which a person pushes.
func running(t *testing.T) (h *Hub, remote string) {
	t.Helper()
	h = open(t, t.TempDir(), "acme")
	address, _ := serve(t, h)
	token, err := h.IssueToken("acme", "me")
	if err != nil {
		t.Fatal(err)
	}
	return h, url(address, "acme", token)
}

// worktree is a person's clone.
type worktree struct {
	t   *testing.T
	dir string
}

func newWorktree(t *testing.T, tenant string) *worktree {
	t.Helper()
	w := &worktree{t, t.TempDir()}
	files, err := examples.Files("quickstart")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(w.dir, files); err != nil {
		t.Fatal(err)
	}
	w.edit("tenant.yaml", "name: quickstart", "name: "+tenant)
	w.git("init", "-q", "-b", "main")
	w.commit("first")
	return w
}

func (w *worktree) try(args ...string) (string, error) {
	command := exec.Command("git", args...)
	command.Dir = w.dir
	// The variables that git sets in a hook would lead to another repository.
	environment := slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "GIT_") })
	command.Env = append(environment, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=T", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_COMMITTER_NAME=T", "GIT_COMMITTER_EMAIL=t@example.com",
		"GIT_AUTHOR_DATE=2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE=2026-01-01T00:00:00Z")
	out, err := command.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (w *worktree) git(args ...string) string {
	w.t.Helper()
	out, err := w.try(args...)
	if err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return out
}

func (w *worktree) commit(message string) string {
	w.t.Helper()
	w.git("add", "-A")
	w.git("commit", "-q", "-m", message)
	return w.git("rev-parse", "HEAD")
}

func (w *worktree) edit(file, old, new string) {
	w.t.Helper()
	path := filepath.Join(w.dir, file)
	data, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	if !strings.Contains(string(data), old) {
		w.t.Fatalf("%s does not hold %q", file, old)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), old, new, 1)), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func url(address, tenant, token string) string {
	return fmt.Sprintf("http://me:%s@%s/%s.git", token, address, tenant)
}

// desired waits until every desired branch was rendered from a commit, or, if
// that changed none, until the hub has looked at it.
func desired(t *testing.T, h *Hub, tenant string, ready func(map[string]schemas.DesiredCluster) bool) map[string]string {
	t.Helper()
	repository, _ := h.Repository(tenant)
	deadline := time.Now().Add(time.Minute)
	for {
		refs, err := repository.Refs(t.Context(), schemas.DesiredRef(""))
		if err != nil {
			t.Fatal(err)
		}
		manifests := map[string]schemas.DesiredCluster{}
		for ref, commit := range refs {
			manifest, err := readManifest(t.Context(), repository, commit)
			if err != nil {
				t.Fatal(err)
			}
			manifests[strings.TrimPrefix(ref, schemas.DesiredRef(""))] = manifest
		}
		if ready(manifests) {
			return refs
		}
		if time.Now().After(deadline) {
			t.Fatalf("desired branches stay %v", refs)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// from is true once a cluster's desired state was rendered from a commit.
func from(commit string, clusters ...string) func(map[string]schemas.DesiredCluster) bool {
	return func(manifests map[string]schemas.DesiredCluster) bool {
		for _, cluster := range clusters {
			if manifests[cluster].Spec.Source.Commit != commit {
				return false
			}
		}
		return true
	}
}

func TestPushMovesOnlyTheClustersThatChange(t *testing.T) {
	h, remote := running(t)
	w := newWorktree(t, "acme")
	w.git("push", "-q", remote, "main")
	first := w.git("rev-parse", "HEAD")
	before := desired(t, h, "acme", from(first, "dev", "prod"))

	w.edit("clusters/dev.yaml", "replicas: 1", "replicas: 2")
	second := w.commit("more replicas in dev")
	if out := w.git("push", "-q", remote, "main"); !strings.Contains(out, `remote: accepted: changes dev; "branchline status"`) {
		t.Errorf("the push says %q", out)
	}
	after := desired(t, h, "acme", from(second, "dev"))
	if after[schemas.DesiredRef("prod")] != before[schemas.DesiredRef("prod")] {
		t.Error("the branch of a cluster that does not change has moved")
	}
}

func TestPushWithErrorsChangesNothingAndListsThemAll(t *testing.T) {
	h, remote := running(t)
	w := newWorktree(t, "acme")
	w.git("push", "-q", remote, "main")
	before := desired(t, h, "acme", from(w.git("rev-parse", "HEAD"), "dev", "prod"))

	w.edit("clusters/dev.yaml", "replicas: 1", "replica: 1")
	w.edit("profiles/web-platform.yaml", "dependsOn:", "dependOn:")
	w.commit("two mistakes")
	out, err := w.try("push", "-q", remote, "main")
	if err == nil {
		t.Fatal("the push was accepted")
	}
	for _, want := range []string{
		`remote: clusters/dev.yaml:`, `did you mean "replicas"?`, `remote: profiles/web-platform.yaml:`, `did you mean "dependsOn"?`, `2 errors; nothing was changed`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the refusal does not say %q:\n%s", want, out)
		}
	}
	repository, _ := h.Repository("acme")
	after, err := repository.Refs(t.Context(), schemas.DesiredRef(""))
	if err != nil || !maps.Equal(before, after) {
		t.Errorf("desired branches moved: %v (%v)", after, err)
	}
}

func TestHubContinuesAfterACrashBetweenPushAndPublish(t *testing.T) {
	data := t.TempDir()
	h := open(t, data, "acme")
	repository, _ := h.Repository("acme")
	w := newWorktree(t, "acme")
	// What a crash leaves: main has moved, nothing is published.
	w.git("--git-dir", repository.Dir(), "fetch", "-q", w.dir, "main:main")
	commit := w.git("rev-parse", "HEAD")
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, data)
	serve(t, again)
	desired(t, again, "acme", from(commit, "dev", "prod"))
}

func TestTwoHubsWithOneKeyPublishTheSameCommits(t *testing.T) {
	var refs []map[string]string
	var key []byte
	w := newWorktree(t, "acme")
	for range 2 {
		data := t.TempDir()
		if key != nil {
			if err := os.MkdirAll(filepath.Join(data, "keys"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(data, "keys", "renderer"), key, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		h := open(t, data, "acme")
		repository, _ := h.Repository("acme")
		w.git("--git-dir", repository.Dir(), "fetch", "-q", w.dir, "main:main")
		if err := h.tenant("acme").publish(t.Context()); err != nil {
			t.Fatal(err)
		}
		// A second time there is nothing to do.
		if err := h.tenant("acme").publish(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := repository.Refs(t.Context(), schemas.DesiredRef(""))
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, got)
		if key, err = os.ReadFile(filepath.Join(data, "keys", "renderer")); err != nil {
			t.Fatal(err)
		}
	}
	if len(refs[0]) != 2 || !maps.Equal(refs[0], refs[1]) {
		t.Errorf("the hubs published %v and %v", refs[0], refs[1])
	}
}

func TestMainThatWentBackIsNotPublished(t *testing.T) {
	h := open(t, t.TempDir(), "acme")
	repository, _ := h.Repository("acme")
	w := newWorktree(t, "acme")
	w.git("--git-dir", repository.Dir(), "fetch", "-q", w.dir, "main:main")
	if err := h.tenant("acme").publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, err := repository.Refs(t.Context(), schemas.DesiredRef(""))
	if err != nil {
		t.Fatal(err)
	}
	// Somebody with access to the disk replaces main by unrelated history.
	w.git("checkout", "-q", "--orphan", "other")
	w.edit("clusters/dev.yaml", "replicas: 1", "replicas: 4")
	w.commit("unrelated")
	w.git("--git-dir", repository.Dir(), "fetch", "-q", w.dir, "+other:main")
	if err := h.tenant("acme").publish(t.Context()); err == nil || !strings.Contains(err.Error(), "does not descend") {
		t.Errorf("publish: %v", err)
	}
	after, err := repository.Refs(t.Context(), schemas.DesiredRef(""))
	if err != nil || !maps.Equal(before, after) {
		t.Errorf("desired branches moved: %v (%v)", after, err)
	}
}

func TestTokensOpenOneTenantOnly(t *testing.T) {
	data := t.TempDir()
	h := open(t, data, "acme", "umbrella")
	address, _ := serve(t, h)
	old, err := h.IssueToken("acme", "me")
	if err != nil {
		t.Fatal(err)
	}
	token, err := h.IssueToken("acme", "me")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorktree(t, "acme")
	for _, tt := range []struct{ reason, tenant, token string }{
		{"a revoked token", "acme", old},
		{"another tenant's token", "umbrella", token},
		{"no token at all", "acme", "guess"},
		{"a tenant that does not exist", "nobody", token},
	} {
		if out, err := w.try("push", "-q", url(address, tt.tenant, tt.token), "main"); err == nil {
			t.Errorf("%s was accepted: %s", tt.reason, out)
		}
	}
	w.git("push", "-q", url(address, "acme", token), "main")
	stored, err := os.ReadFile(filepath.Join(data, "tokens.json"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(stored), token) {
		t.Error("the token is stored in plain text")
	}
}

func TestRepositoryOfAnotherTenantIsRefused(t *testing.T) {
	_, remote := running(t)
	w := newWorktree(t, "umbrella")
	out, err := w.try("push", "-q", remote, "main")
	if err == nil || !strings.Contains(out, `this repository belongs to the tenant "acme"; write that name instead of "umbrella"`) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestKeysThatWouldLockTheClustersOutAreRefused(t *testing.T) {
	_, remote := running(t)
	w := newWorktree(t, "acme")
	other, err := sync.GenerateSigner(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w.edit("tenant.yaml", "spec:\n", "spec:\n  trustedKeys: ["+other.PublicKey()+"]\n")
	w.commit("another key")
	out, err := w.try("push", "-q", remote, "main")
	if err == nil || !strings.Contains(out, "tenant.yaml:9:16: spec.trustedKeys: the key that signs what is rendered here is not in the list") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestOneHubADirectory(t *testing.T) {
	data := t.TempDir()
	open(t, data)
	if _, err := Open(t.Context(), options(data)); err == nil || !strings.Contains(err.Error(), "in use by another hub") {
		t.Errorf("a second hub: %v", err)
	}
}

func TestCorruptTokenFileIsRefusedNotForgotten(t *testing.T) {
	data := t.TempDir()
	file := filepath.Join(data, "tokens.json")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), options(data)); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("open: %v", err)
	}
	// The failed attempt must not keep the lock.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	open(t, data)
}

func TestRemovalIsComparedWithWhatWasPushedBefore(t *testing.T) {
	h := open(t, t.TempDir(), "acme")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	// Git is served and nothing is published in the background: as slow as it gets.
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- h.serve(ctx, listener) }()
	defer func() { cancel(); <-served }()
	token, err := h.IssueToken("acme", "me")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	w := newWorktree(t, "acme")
	w.git("push", "-q", url(address, "acme", token), "main")
	w.edit("clusters/dev.yaml", "deletionProtection: false", "deletionProtection: true")
	w.commit("protect dev")
	w.git("push", "-q", url(address, "acme", token), "main")
	w.git("rm", "-q", "clusters/dev.yaml")
	w.commit("remove dev")
	if out, err := w.try("push", "-q", url(address, "acme", token), "main"); err == nil || !strings.Contains(out, "deletionProtection") {
		t.Fatalf("the removal of a protected cluster: %v\n%s", err, out)
	}
	// The tenant is not stuck: main says what is published.
	if err := h.tenant("acme").publish(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMainThatDoesNotRenderLetsItsFixIn(t *testing.T) {
	h, remote := running(t)
	repository, _ := h.Repository("acme")
	w := newWorktree(t, "acme")
	w.edit("clusters/dev.yaml", "replicas: 1", "replica: 1")
	w.commit("what an older renderer accepted")
	w.git("--git-dir", repository.Dir(), "fetch", "-q", w.dir, "main:main")
	w.edit("clusters/dev.yaml", "replica: 1", "replicas: 1")
	fix := w.commit("the fix")
	w.git("push", "-q", remote, "main")
	desired(t, h, "acme", from(fix, "dev", "prod"))
}

func TestUnchangedMainIsNotRenderedAgain(t *testing.T) {
	h := open(t, t.TempDir(), "acme")
	repository, _ := h.Repository("acme")
	w := newWorktree(t, "acme")
	w.git("--git-dir", repository.Dir(), "fetch", "-q", w.dir, "main:main")
	acme := h.tenant("acme")
	if err := acme.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := acme.done
	if err := acme.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if acme.done != done {
		t.Error("main was rendered again although nothing had moved")
	}
}

func TestLostKeyIsNotReplaced(t *testing.T) {
	data := t.TempDir()
	h := open(t, data, "acme")
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(data, "keys", "renderer")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), options(data)); err == nil || !strings.Contains(err.Error(), "restore it from a backup") {
		t.Errorf("open: %v", err)
	}
}

func TestTokenIssuedBesideARunningHubCounts(t *testing.T) {
	data := t.TempDir()
	h := open(t, data, "acme")
	address, _ := serve(t, h)
	first, err := IssueToken(data, "acme", "me")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorktree(t, "acme")
	w.git("ls-remote", url(address, "acme", first))
	if _, err := IssueToken(data, "acme", "me"); err != nil {
		t.Fatal(err)
	}
	if out, err := w.try("ls-remote", url(address, "acme", first)); err == nil {
		t.Errorf("a revoked token still works: %s", out)
	}
	if _, err := IssueToken(data, "acne", "me"); err == nil || !strings.Contains(err.Error(), `there is no tenant "acne"`) {
		t.Errorf("a misspelt tenant: %v", err)
	}
}
