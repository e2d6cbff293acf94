package sync

import (
	"bufio"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const hubArgument = "run-as-hub"

// runHub serves the repository in dir in a process of its own, for tests that
// kill it. Its Check says so on stdout and then never decides.
func runHub(dir string) int {
	program, err := os.Executable()
	if err != nil {
		return 1
	}
	repo, err := OpenRepository(dir)
	if err != nil {
		return 1
	}
	server, err := NewServer(ServerOptions{
		Repository:   func(string) (*Repository, bool) { return repo, true },
		Authenticate: func(_, _, _ string) (Principal, bool) { return Principal{Kind: Person, Name: "ann"}, true },
		Check: func(ctx context.Context, _ Push) error {
			fmt.Println("checking")
			<-ctx.Done()
			return ctx.Err()
		},
		HookCommand: hookCommand(program),
	})
	if err != nil {
		return 1
	}
	fmt.Println(httptest.NewServer(server).URL)
	select {}
}

// Killing the hub without warning in the middle of a push leaves the repository
// as it was, and the next hub takes the push.
func TestHubIsKilledDuringAPush(t *testing.T) {
	e := newEndpoint(t, nil)
	dir := clone(t, e)
	before := e.refs(t)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	hub := exec.CommandContext(t.Context(), program, hubArgument, e.repo.Dir())
	out, err := hub.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := hub.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	url, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	id := commitFile(t, dir, "f", "1")
	pushed := make(chan error, 1)
	go func() {
		address := strings.Replace(strings.TrimSpace(url), "http://", "http://x:t@", 1) + "/acme.git"
		pushed <- runGitUntil(t.Context(), dir, "push", address, "HEAD:main")
	}()
	if said, err := lines.ReadString('\n'); err != nil || said != "checking\n" {
		t.Fatalf("%q, %v", said, err)
	}
	if err := hub.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := hub.Wait(); err == nil {
		t.Error("the hub was not killed")
	}
	if err := <-pushed; err == nil {
		t.Error("the push succeeded")
	}
	if diff := cmp.Diff(before, e.refs(t)); diff != "" {
		t.Error(diff)
	}
	fsck(t, e.repo.Dir())
	mustGit(t, dir, "push", "-q", "origin", "HEAD:main")
	if tip, err := e.repo.Tip(t.Context(), mainRef); tip != id || err != nil {
		t.Errorf("tip %s, %v", tip, err)
	}
}
