package sync

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	gosync "sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clone makes a work tree with one commit on main, pushed by Ann.
func clone(t *testing.T, e *endpoint) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "work")
	mustGit(t, ".", "clone", "-q", e.credentialed("ann"), dir)
	writeFile(t, filepath.Join(dir, "tenant.yaml"), "kind: Tenant\n")
	mustGit(t, dir, "add", ".")
	mustGit(t, dir, "commit", "-q", "-m", "first")
	mustGit(t, dir, "push", "-q", "origin", "HEAD:main")
	return dir
}

func commitFile(t *testing.T, dir, path, data string) string {
	t.Helper()
	writeFile(t, filepath.Join(dir, path), data)
	mustGit(t, dir, "add", "-A")
	mustGit(t, dir, "commit", "-q", "-m", path)
	return mustGit(t, dir, "rev-parse", "HEAD")
}

func TestPersonClonesAndPushes(t *testing.T) {
	e := newEndpoint(t, nil)
	var seen Push
	e.setCheck(func(ctx context.Context, p Push) error {
		seen = p
		data, err := p.Repository.File(ctx, p.Changes[0].New, "tenant.yaml")
		if err == nil && string(data) != "kind: Tenant\n" {
			err = fmt.Errorf("unexpected content %q", data)
		}
		if _, tipErr := e.repo.Commit(ctx, p.Changes[0].New); tipErr == nil {
			err = errors.New("the commit is in the repository before it is accepted")
		}
		if _, pubErr := p.Repository.Publish(ctx, newSignerT(t), []Update{update("refs/heads/desired/x", "", map[string]string{"f": "1"})}); pubErr == nil {
			err = errors.New("Check could publish")
		}
		return err
	})
	dir := clone(t, e)
	head := mustGit(t, dir, "rev-parse", "HEAD")
	change := RefChange{"refs/heads/main", zeroID, head}
	if diff := cmp.Diff([]RefChange{change}, seen.Changes); diff != "" {
		t.Error(diff)
	}
	if seen.Tenant != "acme" || seen.Principal != (Principal{Person, "ann", ""}) {
		t.Errorf("%+v", seen)
	}
	if diff := cmp.Diff([]RefChange{change}, e.moves()); diff != "" {
		t.Error(diff)
	}
	again := filepath.Join(t.TempDir(), "again")
	e.setCheck(func(context.Context, Push) error { return nil })
	for _, version := range []string{"0", "1", "2"} {
		mustGit(t, ".", "-c", "protocol.version="+version, "clone", "-q", e.credentialed("ann"), again+version)
		if got := mustGit(t, again+version, "rev-parse", "HEAD"); got != head {
			t.Errorf("version %s: cloned %s", version, got)
		}
	}
	// More than http.postBuffer: git sends the push in chunks of unknown total length.
	big := commitFile(t, dir, "big", strings.Repeat(fmt.Sprintf("%x", bytes.Repeat([]byte{1, 2, 3, 250}, 999)), 400))
	mustGit(t, dir, "-c", "http.postBuffer=65536", "-c", "core.compression=0", "push", "-q", "origin", "HEAD:main")
	if tip, err := e.repo.Tip(t.Context(), mainRef); tip != big || err != nil {
		t.Errorf("tip %s, %v", tip, err)
	}
	fsck(t, e.repo.Dir())
}

func TestRefusedPushShowsWhyAndChangesNothing(t *testing.T) {
	e := newEndpoint(t, nil)
	dir := clone(t, e)
	before := e.refs(t)
	e.setCheck(func(context.Context, Push) error {
		return errors.New("clusters/a.yaml:7:3: spec.x: unknown field\nclusters/b.yaml:1:1: kind: missing")
	})
	moves := len(e.moves())
	id := commitFile(t, dir, "clusters/a.yaml", "x")
	out, err := git(t, dir, "push", "origin", "HEAD:main")
	if err == nil {
		t.Error("push succeeded")
	}
	for _, want := range []string{"remote: clusters/a.yaml:7:3: spec.x: unknown field", "remote: clusters/b.yaml:1:1: kind: missing", "pre-receive hook declined"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if diff := cmp.Diff(before, e.refs(t)); diff != "" || len(e.moves()) != moves {
		t.Errorf("something moved: %s", diff)
	}
	if _, err := e.repo.Commit(t.Context(), id); err == nil {
		t.Error("the refused commit was kept")
	}
}

func TestEveryoneKeepsToTheirRefs(t *testing.T) {
	e := newEndpoint(t, nil)
	signer := newSignerT(t)
	dir := clone(t, e)
	for _, cluster := range []string{"a", "b", "a-2"} {
		publish(t, e.repo, signer, update(desiredRef(cluster), "", map[string]string{"cluster.yaml": cluster}))
		publish(t, e.repo, signer, statusUpdate(cluster, "", "status"))
		publish(t, e.repo, signer, update(statusRefs(cluster)+"/infra", "", map[string]string{"status.yaml": cluster}))
	}
	mustGit(t, dir, "branch", "-f", "master", "HEAD")
	mustGit(t, dir, "checkout", "-q", "-b", "child")
	commitFile(t, dir, "more", "x")
	mustGit(t, dir, "checkout", "-q", "--orphan", "other")
	commitFile(t, dir, "unrelated", "x")
	mustGit(t, dir, "checkout", "-q", "--orphan", "status")
	mustGit(t, dir, "rm", "-rfq", ".")
	commitFile(t, dir, "status.yaml", "x")
	mustGit(t, dir, "checkout", "-q", "--orphan", "fat")
	commitFile(t, dir, "other.yaml", "x")
	before := e.refs(t)

	cases := []struct{ name, token, spec, want string }{
		{"person to desired", "ann", "master:refs/heads/desired/a", "people push to refs/heads/main only"},
		{"person to status", "ann", "master:refs/heads/status/a/agent", "people push to refs/heads/main only"},
		{"person to a new branch", "ann", "master:refs/heads/mine", "people push to refs/heads/main only"},
		{"person to a tag", "ann", "master:refs/tags/v1", "people push to refs/heads/main only"},
		{"person rewrites main", "ann", "+other:refs/heads/main", "only moves forward"},
		{"person deletes main", "ann", ":refs/heads/main", "deleting"},
		{"person deletes desired", "ann", ":refs/heads/desired/a", "deleting"},
		{"agent to main", "agent-a", "+status:refs/heads/main", "may push to refs/heads/status/a/agent only"},
		{"agent to own desired", "agent-a", "+status:refs/heads/desired/a", "may push to refs/heads/status/a/agent only"},
		{"agent to own infra", "agent-a", "+status:refs/heads/status/a/infra", "may push to refs/heads/status/a/agent only"},
		{"agent to other status", "agent-a", "+status:refs/heads/status/b/agent", "may push to refs/heads/status/a/agent only"},
		{"agent to similar name", "agent-a", "+status:refs/heads/status/a-2/agent", "may push to refs/heads/status/a/agent only"},
		{"agent to a new ref", "agent-a", "+status:refs/heads/status/a/agent/x", "may push to refs/heads/status/a/agent only"},
		{"agent deletes status", "agent-a", ":refs/heads/status/a/agent", "deleting"},
		{"agent with parents", "agent-a", "+child:refs/heads/status/a/agent", "has no parents"},
		{"agent with other files", "agent-a", "+fat:refs/heads/status/a/agent", "exactly one file"},
		{"unknown token", "nobody", "master:refs/heads/main", "Authentication failed"},
		{"agent of nothing", "agent-", "status:refs/heads/main", "Authentication failed"},
		{"agent of a pattern", "agent-*", "status:refs/heads/main", "Authentication failed"},
		{"agent of a path", "agent-a/../b", "status:refs/heads/main", "Authentication failed"},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			logged := len(e.log.String())
			out, err := git(t, dir, "push", e.credentialedAs(tt.token), tt.spec)
			if err == nil || !strings.Contains(out, tt.want) {
				t.Errorf("error %v, no %q in:\n%s", err, tt.want, out)
			}
			if diff := cmp.Diff(before, e.refs(t)); diff != "" {
				t.Error(diff)
			}
			if log := e.log.String()[logged:]; !strings.Contains(log, "refused") {
				t.Errorf("not logged: %s", log)
			}
		})
	}
	fsck(t, e.repo.Dir())
}

func (e *endpoint) credentialedAs(token string) string { return e.credentialed(url.PathEscape(token)) }

func TestAgentSeesItsOwnBranchesOnly(t *testing.T) {
	e := newEndpoint(t, nil)
	signer := newSignerT(t)
	dir := clone(t, e)
	main := mustGit(t, dir, "rev-parse", "HEAD")
	var others []string
	for _, cluster := range []string{"b", "a-2"} {
		others = append(others, publish(t, e.repo, signer, update(desiredRef(cluster), "", map[string]string{"cluster.yaml": cluster})))
	}
	own := publish(t, e.repo, signer, update(desiredRef("a"), "", map[string]string{"cluster.yaml": "old"}))
	ownNew := publish(t, e.repo, signer, update(desiredRef("a"), own, map[string]string{"cluster.yaml": "a"}))
	status := publish(t, e.repo, signer, statusUpdate("a", "", "s"))
	want := map[string]string{desiredRef("a"): ownNew, agentRef("a"): status}

	for _, version := range []string{"0", "1", "2"} {
		got := map[string]string{}
		for line := range strings.Lines(mustGit(t, ".", "-c", "protocol.version="+version, "ls-remote", "-q", e.credentialed("agent-a"))) {
			id, ref, _ := strings.Cut(strings.TrimSpace(line), "\t")
			got[ref] = id
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("version %s: %s", version, diff)
		}
	}
	work := t.TempDir()
	mustGit(t, work, "init", "-q")
	hidden := append(others, main, mustGit(t, dir, "rev-parse", "HEAD^{tree}"), mustGit(t, dir, "rev-parse", "HEAD:tenant.yaml"))
	for _, version := range []string{"0", "2"} {
		for _, id := range hidden {
			if out, err := git(t, work, "-c", "protocol.version="+version, "fetch", "-q", e.credentialed("agent-a"), id); err == nil {
				t.Errorf("version %s: fetched %s, which is not the agent's\n%s", version, id, out)
			}
		}
		mustGit(t, work, "-c", "protocol.version="+version, "fetch", "-q", e.credentialed("agent-a"), ownNew, status)
	}
	mustGit(t, work, "-c", "protocol.version=2", "fetch", "-q", e.credentialed("agent-a"), own)
	for _, id := range hidden[:2] {
		if _, err := e.remote("agent-a").fetchPack(t.Context(), mustID(t, id)); err == nil {
			t.Errorf("fetched %s", id)
		}
	}
	if _, err := e.remote("agent-a").Fetch(t.Context(), mainRef, ""); !errors.Is(err, ErrRefNotFound) {
		t.Errorf("main: %v", err)
	}
}

func mustID(t *testing.T, s string) objectID {
	t.Helper()
	id, err := parseID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// An agent that knows the name of an object must not get at its content by
// building a status on it.
func TestAgentCannotReadThroughItsOwnStatus(t *testing.T) {
	e := newEndpoint(t, nil)
	signer := newSignerT(t)
	dir := clone(t, e)
	main := mustGit(t, dir, "rev-parse", "HEAD")
	secretBlob := mustID(t, mustGit(t, dir, "rev-parse", "HEAD:tenant.yaml"))

	push := func(id objectID, pack []byte) error {
		body := appendPacket(nil, fmt.Sprintf("%s %s %s\x00 report-status side-band-64k", zeroID, id, agentRef("a")))
		body = append(appendFlush(body), pack...)
		return e.remote("agent-a").post(t.Context(), receivePack, body, func(in io.Reader) error { return readReport(in, agentRef("a")) })
	}
	encode := func(objects objectSet) []byte {
		var b bytes.Buffer
		if err := writePack(&b, objects); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	u := statusUpdate("a", "", "x")
	u.Identity = defaultIdentity()

	// A parent, a tree or a blob that is not in the push.
	withParent := u
	withParent.Parents = []string{main}
	objects := objectSet{}
	parentID, err := objects.addCommit(signer, withParent)
	if err != nil {
		t.Fatal(err)
	}
	if err := push(parentID, encode(objects)); !errors.Is(err, errRefused) {
		t.Errorf("foreign parent: %v", err)
	}
	objects = objectSet{}
	tree, err := objects.add(object{kindTree, encodeTree([]treeEntry{{modeFile, "status.yaml", secretBlob}})})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := encodeCommit(signer, tree, u)
	if err != nil {
		t.Fatal(err)
	}
	id, err := objects.add(object{kindCommit, raw})
	if err != nil {
		t.Fatal(err)
	}
	if err := push(id, encode(objects)); !errors.Is(err, errRefused) {
		t.Errorf("foreign blob: %v", err)
	}
	// A delta whose base is not in the push copies the base's content.
	delta := appendDeltaSizes(13, 13)
	delta = append(delta, 0x90, 13) // copy 13 bytes from offset 0
	if err := push(id, testPack(t, testEntry{kind: entryRefDelta, base: secretBlob[:], data: delta})); !errors.Is(err, errRefused) {
		t.Errorf("thin pack: %v", err)
	}
	if _, ok := e.refs(t)[agentRef("a")]; ok {
		t.Error("status was written")
	}
}

func TestRequestsThatAreNotGit(t *testing.T) {
	e := newEndpoint(t, nil)
	base := strings.TrimSuffix(e.url, "/acme.git")
	cases := []struct {
		method, path, token, kind string
		want                      int
	}{
		{"GET", "/acme.git/info/refs?service=git-upload-pack", "", "", 401},
		{"GET", "/acme.git/info/refs?service=git-upload-pack", "wrong", "", 401},
		{"GET", "/other.git/info/refs?service=git-upload-pack", "ann", "", 401},
		{"GET", "/acme.git/info/refs?service=git-upload-pack", "ann", "", 200},
		{"GET", "/acme.git/info/refs?service=git-upload-archive", "ann", "", 403},
		{"GET", "/acme.git/info/refs", "ann", "", 403},
		{"GET", "/acme.git/HEAD", "ann", "", 404},
		{"GET", "/acme.git/config", "ann", "", 404},
		{"GET", "/acme.git/objects/info/packs", "ann", "", 404},
		{"GET", "/acme.git/../acme.git/HEAD", "ann", "", 404},
		{"GET", "/..%2facme.git/info/refs?service=git-upload-pack", "ann", "", 404},
		{"GET", "/-c.git/info/refs?service=git-upload-pack", "ann", "", 404},
		{"GET", "/acme.git/git-upload-pack", "ann", "", 400},
		{"POST", "/acme.git/git-upload-pack", "ann", "text/plain", 400},
		{"POST", "/acme.git/git-upload-archive", "ann", "application/x-git-upload-archive-request", 404},
		{"GET", "/", "", "", 404},
	}
	for _, tt := range cases {
		request, err := http.NewRequestWithContext(t.Context(), tt.method, base+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", tt.kind)
		if tt.token != "" {
			request.SetBasicAuth("x", tt.token)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != tt.want {
			t.Errorf("%s %s as %q: %s, want %d", tt.method, tt.path, tt.token, response.Status, tt.want)
		}
		if (tt.want == 401) != (response.Header.Get("WWW-Authenticate") != "") {
			t.Errorf("%s as %q: WWW-Authenticate %q", tt.path, tt.token, response.Header.Get("WWW-Authenticate"))
		}
	}
	if strings.Contains(e.log.String(), "wrong") {
		t.Error("a token was logged")
	}
}

func TestBodiesAreBounded(t *testing.T) {
	e := newEndpoint(t, func(o *ServerOptions) { o.MaxPackBytes = 100 << 10 })
	dir := clone(t, e)
	before := e.refs(t)

	bomb := func() io.Reader {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write(make([]byte, 9<<20)); err != nil || z.Close() != nil {
			t.Fatal(err)
		}
		return &b
	}
	cases := []struct {
		name, token, service, encoding string
		body                           io.Reader
		want                           int
	}{
		{"gzip bomb to read", "ann", uploadPack, "gzip", bomb(), 413},
		{"agent's gzip bomb", "agent-a", receivePack, "gzip", bomb(), 413},
		{"not gzip", "ann", uploadPack, "gzip", strings.NewReader("hello"), 400},
		{"unknown encoding", "ann", uploadPack, "br", strings.NewReader("hello"), 400},
		{"malformed packet", "ann", receivePack, "", strings.NewReader("zzzz"), 400},
		{"cut off", "ann", receivePack, "", strings.NewReader("00ff"), 400},
		{"endless commands", "ann", receivePack, "", strings.NewReader(strings.Repeat("0035shallow "+strings.Repeat("a", 40)+"\n", 50_000)), 413},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.url+"/"+tt.service, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			request.SetBasicAuth("x", tt.token)
			request.Header.Set("Content-Type", "application/x-"+tt.service+"-request")
			request.Header.Set("Content-Encoding", tt.encoding)
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != tt.want {
				t.Errorf("%s, want %d", response.Status, tt.want)
			}
		})
	}
	commitFile(t, dir, "big", strings.Repeat("0123456789abcdef", 1<<16))
	if out, err := git(t, dir, "-c", "core.compression=0", "push", "origin", "HEAD:main"); err == nil {
		t.Errorf("a push above the limit was taken:\n%s", out)
	}
	if diff := cmp.Diff(before, e.refs(t)); diff != "" {
		t.Error(diff)
	}
}

// A client that opens requests and then does nothing is cut off, and others are
// served meanwhile.
func TestIdleClientsAreCutOff(t *testing.T) {
	e := newEndpoint(t, func(o *ServerOptions) { o.IdleTimeout = 200 * time.Millisecond; o.MaxProcesses = 1 })
	address := strings.TrimSuffix(strings.TrimPrefix(e.url, "http://"), "/acme.git")
	var idle []net.Conn
	for range 20 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /acme.git/git-upload-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eDphbm4=\r\n"+
			"Content-Type: application/x-git-upload-pack-request\r\nContent-Length: 1000\r\n\r\n0014")
		idle = append(idle, conn)
	}
	if _, err := e.remote("ann").Fetch(t.Context(), mainRef, ""); !errors.Is(err, ErrRefNotFound) {
		t.Errorf("others are not served: %v", err)
	}
	for _, conn := range idle {
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("an idle request was not ended")
		}
	}
}

// A pusher that hangs up in the middle of Check leaves no lock, no process and
// no half of a push behind.
func TestPusherHangsUpDuringCheck(t *testing.T) {
	e := newEndpoint(t, nil)
	dir := clone(t, e)
	before := e.refs(t)
	checking, released := make(chan struct{}), make(chan error, 1)
	e.setCheck(func(ctx context.Context, _ Push) error {
		close(checking)
		<-ctx.Done()
		released <- ctx.Err()
		return ctx.Err()
	})
	commitFile(t, dir, "f", "1")
	ctx, cancel := context.WithCancel(t.Context())
	var group gosync.WaitGroup
	group.Go(func() {
		if err := runGitUntil(ctx, dir, "push", "origin", "HEAD:main"); err == nil {
			t.Error("push succeeded")
		}
	})
	<-checking
	cancel()
	group.Wait()
	if err := <-released; err == nil {
		t.Error("Check was not told")
	}
	e.setCheck(func(context.Context, Push) error { return nil })
	eventually(t, "quarantine removed", func() bool {
		left, err := filepath.Glob(filepath.Join(e.repo.Dir(), "objects", "*incoming*"))
		return err == nil && len(left) == 0
	})
	if diff := cmp.Diff(before, e.refs(t)); diff != "" {
		t.Error(diff)
	}
	mustGit(t, dir, "push", "-q", "origin", "HEAD:main")
	fsck(t, e.repo.Dir())
}

// A push past the endpoint, or with the hub's listener gone, is refused.
func TestNoPushWithoutTheHub(t *testing.T) {
	e := newEndpoint(t, nil)
	dir := clone(t, e)
	before := e.refs(t)
	commitFile(t, dir, "f", "1")
	out, err := git(t, dir, "push", e.repo.Dir(), "HEAD:main")
	if err == nil || !strings.Contains(out, "pushes go through the hub") {
		t.Errorf("push into the folder: %v\n%s", err, out)
	}
	// A hook that somebody removed comes back before the next push.
	if err := os.RemoveAll(filepath.Join(e.repo.Dir(), "hooks")); err != nil {
		t.Fatal(err)
	}
	e.setCheck(func(context.Context, Push) error { return errors.New("checked") })
	if out, err := git(t, dir, "push", "origin", "HEAD:main"); err == nil || !strings.Contains(out, "remote: checked") {
		t.Errorf("push without a hook: %v\n%s", err, out)
	}
	if diff := cmp.Diff(before, e.refs(t)); diff != "" {
		t.Error(diff)
	}
	getenv := func(string) string { return "" }
	for _, tt := range []struct {
		name, input, url string
	}{
		{"no hub", "a b c\n", ""},
		{"no listener", "a b c\n", "http://127.0.0.1:1/"},
		{"no input", "", "http://127.0.0.1:1/"},
		{"bad input", "abc\n", "http://127.0.0.1:1/"},
	} {
		var said bytes.Buffer
		if tt.url != "" {
			getenv = func(name string) string { return map[string]string{hookURLVariable: tt.url}[name] }
		}
		if code := RunHook(t.Context(), strings.NewReader(tt.input), &said, getenv); code == 0 || said.Len() == 0 {
			t.Errorf("%s: exit %d, said %q", tt.name, code, said.String())
		}
	}
}

func TestSourceWithHostileEntriesIsRefusedByFiles(t *testing.T) {
	e := newEndpoint(t, nil)
	dir := clone(t, e)
	e.setCheck(func(ctx context.Context, p Push) error {
		_, err := p.Repository.Files(ctx, p.Changes[0].New)
		return err
	})
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	mustGit(t, dir, "add", "-A")
	mustGit(t, dir, "commit", "-q", "-m", "link")
	out, err := git(t, dir, "push", "origin", "HEAD:main")
	if err == nil || !strings.Contains(out, `"link.yaml" is a symbolic link`) {
		t.Errorf("%v\n%s", err, out)
	}
	mustGit(t, dir, "reset", "-q", "--hard", "HEAD~1")
	script := filepath.Join(dir, "hack.sh")
	writeFile(t, script, "#!/bin/sh\n")
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	mustGit(t, dir, "add", "-A")
	mustGit(t, dir, "commit", "-q", "-m", "script")
	mustGit(t, dir, "push", "-q", "origin", "HEAD:main") // executable files are plain ones here
}
