package sync

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	gosync "sync"
	"testing"
	"time"
)

const hookArgument = "run-as-pre-receive-hook"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == hookArgument {
		os.Exit(RunHook(context.Background(), os.Stdin, os.Stderr, os.Getenv))
	}
	if len(os.Args) == 3 && os.Args[1] == hubArgument {
		os.Exit(runHub(os.Args[2]))
	}
	os.Exit(m.Run())
}

var testTime = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func newSignerT(t testing.TB) *Signer {
	t.Helper()
	signer, err := GenerateSigner(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func newRepositoryT(t testing.TB) *Repository {
	t.Helper()
	repo, err := InitRepository(t.Context(), filepath.Join(t.TempDir(), "acme.git"))
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

// publish makes one commit and fails the test if that does not work.
func publish(t testing.TB, repo *Repository, signer *Signer, u Update) string {
	t.Helper()
	published, err := repo.Publish(t.Context(), signer, []Update{u})
	if err != nil {
		t.Fatal(err)
	}
	return published[0].Commit
}

func update(ref, expect string, files map[string]string) Update {
	u := Update{Ref: ref, Expect: expect, Files: map[string][]byte{}, Message: "test: " + ref, When: testTime}
	if expect != "" {
		u.Parents = []string{expect}
	}
	for path, data := range files {
		u.Files[path] = []byte(data)
	}
	return u
}

// statusUpdate is an orphan commit.
func statusUpdate(cluster, expect, content string) Update {
	u := update(agentRef(cluster), expect, map[string]string{"status.yaml": content})
	u.Parents = nil
	return u
}

// git runs stock git as a user would, without any configuration of this machine.
func git(t testing.TB, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustGit(t testing.TB, dir string, args ...string) string {
	t.Helper()
	out, err := git(t, dir, args...)
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out)
}

func writeFile(t testing.TB, path, data string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

// fsck fails the test if git finds anything wrong with a repository.
func fsck(t testing.TB, dir string) {
	t.Helper()
	if out, err := git(t, dir, "fsck", "--strict", "--full", "--no-dangling", "--no-progress"); err != nil || strings.Contains(out, "warning") {
		t.Errorf("git fsck: %v\n%s", err, out)
	}
}

// endpoint is a Server over real HTTP with one tenant, acme.
type endpoint struct {
	repo *Repository
	url  string
	log  *lockedText

	mu       gosync.Mutex
	check    func(context.Context, Push) error
	received []RefChange
}

func (e *endpoint) setCheck(check func(context.Context, Push) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.check = check
}

func (e *endpoint) moves() []RefChange {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]RefChange(nil), e.received...)
}

// credentialed is the repository's URL for stock git with a token.
func (e *endpoint) credentialed(token string) string {
	return strings.Replace(e.url, "http://", "http://x:"+token+"@", 1)
}

func (e *endpoint) remote(token string) *Remote { return &Remote{URL: e.url, User: "x", Token: token} }

func (e *endpoint) refs(t testing.TB) map[string]string {
	t.Helper()
	refs, err := e.repo.Refs(t.Context(), "refs")
	if err != nil {
		t.Fatal(err)
	}
	return refs
}

// hookCommand runs this test binary as the hook. A binary built with -race
// sleeps for a second when it ends, unless told otherwise.
func hookCommand(program string) []string {
	return []string{"env", "GORACE=atexit_sleep_ms=0", program, hookArgument}
}

// newEndpoint knows the tokens "ann" (a person) and "agent-<cluster>".
func newEndpoint(t testing.TB, change func(*ServerOptions)) *endpoint {
	t.Helper()
	e := &endpoint{repo: newRepositoryT(t), log: &lockedText{}}
	e.check = func(context.Context, Push) error { return nil }
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	options := ServerOptions{
		Repository: func(tenant string) (*Repository, bool) { return e.repo, tenant == "acme" },
		Authenticate: func(tenant, _, token string) (Principal, bool) {
			if cluster, ok := strings.CutPrefix(token, "agent-"); ok {
				return Principal{Agent, token, cluster}, tenant == "acme"
			}
			return Principal{Person, token, ""}, tenant == "acme" && token == "ann"
		},
		Check: func(ctx context.Context, p Push) error {
			e.mu.Lock()
			check := e.check
			e.mu.Unlock()
			return check(ctx, p)
		},
		Received: func(_ string, changes []RefChange) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.received = append(e.received, changes...)
		},
		HookCommand: hookCommand(program),
		Log:         slog.New(slog.NewTextHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&options)
	}
	server, err := NewServer(options)
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
	e.url = web.URL + "/acme.git"
	return e
}

type lockedText struct {
	mu   gosync.Mutex
	text strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// eventually polls until done is true.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for: %s", what)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// lies is an io.Reader that fails after its content, like a connection that breaks.
type lies struct{ io.Reader }

func (l lies) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("connection reset")
	}
	return n, err
}

// runGitUntil runs stock git until ctx ends it.
func runGitUntil(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0")
	ownGroup(cmd)
	return cmd.Run()
}
