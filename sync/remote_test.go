package sync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	gosync "sync"
	"testing"

	"path/filepath"

	"github.com/google/go-cmp/cmp"
)

func TestFetch(t *testing.T) {
	e := newEndpoint(t, nil)
	signer := newSignerT(t)
	files := map[string]string{"cluster.yaml": "a: 1\n"}
	for i := range 50 {
		files[fmt.Sprintf("layers/10-x/configmap.n.c%d.yaml", i)] = strings.Repeat(fmt.Sprintf("line %d\n", i), 40)
	}
	first := publish(t, e.repo, signer, update(desiredRef("a"), "", files))
	files["cluster.yaml"] = "a: 2\n"
	id := publish(t, e.repo, signer, update(desiredRef("a"), first, files))
	mustGit(t, e.repo.Dir(), "repack", "-q", "-a", "-d", "-f") // the server sends deltas now

	remote := e.remote("agent-a")
	got, err := remote.Fetch(t.Context(), desiredRef("a"), first)
	if err != nil {
		t.Fatal(err)
	}
	want := &Snapshot{Ref: desiredRef("a"), Commit: id, Raw: got.Raw, Files: map[string][]byte{}}
	for path, data := range files {
		want.Files[path] = []byte(data)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := VerifyCommit(got.Raw, []string{signer.PublicKey()}); err != nil {
		t.Error(err)
	}
	same, err := remote.Fetch(t.Context(), desiredRef("a"), id)
	if diff := cmp.Diff(&Snapshot{Ref: desiredRef("a"), Commit: id, Unchanged: true}, same); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestFetchTellsAbsentFromUnknown(t *testing.T) {
	e := newEndpoint(t, nil)
	publish(t, e.repo, newSignerT(t), update(desiredRef("a-2"), "", map[string]string{"f": "1"}))
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	withURL := func(url string) *Remote { return &Remote{URL: url, User: "x", Token: "canary-token"} }
	cases := map[string]struct {
		remote *Remote
		want   error // nil: neither absent nor unauthorised
	}{
		"no such ref":          {e.remote("agent-a"), ErrRefNotFound},
		"similar ref only":     {e.remote("ann"), ErrRefNotFound},
		"wrong token":          {withURL(e.url), ErrUnauthorized},
		"no token":             {&Remote{URL: e.url}, ErrUnauthorized},
		"no such tenant":       {withURL(strings.Replace(e.url, "acme", "other", 1)), ErrUnauthorized},
		"not a repository":     {withURL(strings.Replace(e.url, "acme.git", "x", 1)), nil},
		"nobody listens":       {withURL(gone.URL + "/acme.git"), nil},
		"token in the address": {withURL("http://x:canary-token@127.0.0.1/acme.git"), nil},
		"not an address":       {withURL("canary-token"), nil},
	}
	for name, tt := range cases {
		_, err := tt.remote.Fetch(t.Context(), desiredRef("a"), "")
		if err == nil || errors.Is(err, ErrRefNotFound) != (tt.want == ErrRefNotFound) || errors.Is(err, ErrUnauthorized) != (tt.want == ErrUnauthorized) {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(fmt.Sprint(err), "canary") {
			t.Errorf("%s: the token is shown: %v", name, err)
		}
	}
}

// answers is a server that says the same to every request for refs and for packs.
func answers(t *testing.T, listing, fetched string) *Remote {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		if bytes.Contains(body, []byte("ls-refs")) {
			_, _ = io.WriteString(w, listing)
		} else {
			_, _ = io.WriteString(w, fetched)
		}
	}))
	t.Cleanup(server.Close)
	return &Remote{URL: server.URL + "/acme.git"}
}

func TestHostileServersAreRefused(t *testing.T) {
	ref := desiredRef("a")
	signer := newSignerT(t)
	u := update(ref, "", map[string]string{"f": "1"})
	objects, commits, err := buildCommits(signer, []Update{u})
	if err != nil {
		t.Fatal(err)
	}
	encode := func(objects objectSet) string {
		var b bytes.Buffer
		if err := writePack(&b, objects); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	answer := func(pack string) string {
		b := appendPacket(nil, "packfile\n")
		for chunk := range bytesOf(pack, 60000) {
			b = appendPacket(b, "\x01"+chunk)
		}
		return string(appendFlush(b))
	}
	listing := string(appendFlush(appendPacket(nil, commits[0]+" "+ref+"\n")))
	without := func(kind objectKind) objectSet {
		less := objectSet{}
		for id, o := range objects {
			if o.kind != kind {
				less[id] = o
			}
		}
		return less
	}
	good := answer(encode(objects))
	if _, err := answers(t, listing, good).Fetch(t.Context(), ref, ""); err != nil {
		t.Fatalf("test setup: %v", err)
	}
	bomb := testPack(t, testEntry{kind: kindBlob, data: make([]byte, 17<<20)})
	cases := map[string]struct{ listing, fetched string }{
		"nothing":                      {"", ""},
		"listing cut off":              {listing[:len(listing)-4], good},
		"listing cut off in a line":    {listing[:20], good},
		"listing empty and cut off":    {"00", good},
		"listing is HTML":              {"<html>", good},
		"listing of garbage":           {string(appendFlush(appendPacket(nil, "garbage"))), good},
		"listing of version 0":         {string(appendFlush(appendPacket(nil, "# service=git-upload-pack\n"))), good},
		"two tips":                     {string(appendFlush(appendPacket(appendPacket(nil, commits[0]+" "+ref+"\n"), strings.Repeat("1", 40)+" "+ref+"\n"))), good},
		"server error":                 {string(appendPacket(nil, "ERR no\x1b[2Jway")), good},
		"endless listing":              {strings.Repeat(string(appendPacket(nil, strings.Repeat("1", 40)+" refs/heads/x\n")), 100_000), good},
		"no pack":                      {listing, ""},
		"flush for a pack":             {listing, "0000"},
		"pack cut off":                 {listing, good[:len(good)-30]},
		"pack without its end":         {listing, good[:len(good)-4]},
		"more after the pack":          {listing, answer(encode(objects) + "more")},
		"other commit":                 {strings.ReplaceAll(listing, commits[0], strings.Repeat("1", 40)), good},
		"tree missing":                 {listing, answer(encode(without(kindTree)))},
		"file missing":                 {listing, answer(encode(without(kindBlob)))},
		"a bomb":                       {listing, answer(string(bomb))},
		"error in the middle":          {listing, string(appendPacket(appendPacket(nil, "packfile\n"), "\x03stop"))},
		"unknown band":                 {listing, string(appendPacket(appendPacket(nil, "packfile\n"), "\x09stop"))},
		"sections without end":         {listing, strings.Repeat(string(appendPacket(nil, "shallow x")), 10)},
		"a commit of an unknown shape": {listing, answer(encode(objectSet{mustID(t, commits[0]): {kindCommit, []byte("x")}}))},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			s, err := answers(t, tt.listing, tt.fetched).Fetch(t.Context(), ref, "")
			if err == nil || errors.Is(err, ErrRefNotFound) || errors.Is(err, ErrUnauthorized) {
				t.Errorf("%v, error %v", s, err)
			}
			if strings.Contains(fmt.Sprint(err), "\x1b") {
				t.Errorf("control characters reach the log: %q", err)
			}
		})
	}
	t.Run("redirect", func(t *testing.T) {
		reached := false
		other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
		defer other.Close()
		server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
		defer server.Close()
		if _, err := (&Remote{URL: server.URL, Token: "t"}).Fetch(t.Context(), ref, ""); err == nil || reached {
			t.Errorf("followed a redirect: %v", err)
		}
	})
	t.Run("silence", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // net/http looks out for hang-ups only after that
			cancel()
			<-r.Context().Done()
		}))
		defer server.Close()
		if _, err := (&Remote{URL: server.URL}).Fetch(ctx, ref, ""); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

func bytesOf(s string, n int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for len(s) > n {
			if !yield(s[:n]) {
				return
			}
			s = s[n:]
		}
		yield(s)
	}
}

func TestPushStatus(t *testing.T) {
	e := newEndpoint(t, nil)
	signer := newSignerT(t)
	remote := e.remote("agent-a")
	publish(t, e.repo, signer, update(desiredRef("a"), "", map[string]string{"f": "1"}))

	first := statusUpdate("a", "", "sequence: 1\n")
	id, err := remote.Push(t.Context(), signer, first)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := remote.Push(t.Context(), signer, first); again != id || err != nil {
		t.Errorf("pushing the same again, as after a lost answer: %s, %v", again, err)
	}
	next, err := remote.Push(t.Context(), signer, statusUpdate("a", id, "sequence: 2\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, u := range map[string]Update{
		"stale":           statusUpdate("a", id, "sequence: 3\n"),
		"exists":          statusUpdate("a", "", "sequence: 3\n"),
		"from thin air":   statusUpdate("a", strings.Repeat("1", 40), "sequence: 3\n"),
		"stale, the same": first,
	} {
		if _, err := remote.Push(t.Context(), signer, u); !errors.Is(err, ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if tip, err := e.repo.Tip(t.Context(), agentRef("a")); tip != next || err != nil {
		t.Errorf("tip %s, %v", tip, err)
	}
	allowed := filepath.Join(t.TempDir(), "allowed")
	writeFile(t, allowed, "noreply@branchline.dev "+signer.PublicKey()+"\n")
	mustGit(t, e.repo.Dir(), "-c", "gpg.format=ssh", "-c", "gpg.ssh.allowedSignersFile="+allowed, "verify-commit", next)
	snapshot, err := remote.Fetch(t.Context(), agentRef("a"), id)
	if err != nil || string(snapshot.Files["status.yaml"]) != "sequence: 2\n" {
		t.Errorf("%v, %v", snapshot, err)
	}

	for name, tt := range map[string]struct {
		remote *Remote
		update Update
		want   error
	}{
		"other cluster": {remote, statusUpdate("b", "", "x"), nil},
		"main":          {remote, update(mainRef, "", map[string]string{"status.yaml": "x"}), nil},
		"too large":     {remote, statusUpdate("a", next, strings.Repeat("x", 65<<10)), nil},
		"wrong token":   {e.remote("x"), statusUpdate("a", next, "x"), ErrUnauthorized},
	} {
		_, err := tt.remote.Push(t.Context(), signer, tt.update)
		if err == nil || errors.Is(err, ErrConflict) || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	e.setCheck(func(context.Context, Push) error { return errors.New("status is not signed by the cluster's key") })
	if _, err := remote.Push(t.Context(), signer, statusUpdate("a", next, "x")); err == nil || !strings.Contains(err.Error(), "cluster's key") {
		t.Errorf("refused by Check: %v", err)
	}
	fsck(t, e.repo.Dir())
}

// Of pushers that expect the same tip exactly one wins, each time.
func TestConcurrentPushersLoseNothing(t *testing.T) {
	e := newEndpoint(t, nil)
	signer := newSignerT(t)
	tip := ""
	for round := range 4 {
		const pushers = 6
		commits := make([]string, pushers)
		var group gosync.WaitGroup
		for i := range pushers {
			group.Go(func() {
				id, err := e.remote("agent-a").Push(t.Context(), signer, statusUpdate("a", tip, fmt.Sprintf("%d by %d", round, i)))
				if err != nil && !errors.Is(err, ErrConflict) {
					t.Error(err)
				}
				commits[i] = id
			})
		}
		group.Wait()
		now, err := e.repo.Tip(t.Context(), agentRef("a"))
		if err != nil {
			t.Fatal(err)
		}
		won := 0
		for _, id := range commits {
			if id != "" && id != now {
				t.Errorf("round %d: %s was accepted, the tip is %s", round, id, now)
			}
			if id == now {
				won++
			}
		}
		if won != 1 {
			t.Errorf("round %d: %d pushers won", round, won)
		}
		tip = now
	}
	if moves := e.moves(); len(moves) != 4 {
		t.Errorf("%d moves were announced", len(moves))
	}
}

// When the answer to a push is lost, pushing the same again settles whether it
// was taken.
func TestLostAnswerOfAPush(t *testing.T) {
	e := newEndpoint(t, nil)
	signer := newSignerT(t)
	remote := e.remote("agent-a")
	remote.Client = &http.Client{Transport: dropAnswer{}}
	u := statusUpdate("a", "", "x")
	if _, err := remote.Push(t.Context(), signer, u); err == nil || errors.Is(err, ErrConflict) {
		t.Fatalf("%v", err)
	}
	id, err := e.remote("agent-a").Push(t.Context(), signer, u)
	if err != nil {
		t.Fatal(err)
	}
	if tip, err := e.repo.Tip(t.Context(), agentRef("a")); tip != id || err != nil {
		t.Errorf("tip %s, %v", tip, err)
	}
}

type dropAnswer struct{}

func (dropAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	_, _ = io.Copy(io.Discard, response.Body)
	response.Body.Close()
	return nil, errors.New("connection reset")
}

func FuzzWire(f *testing.F) {
	f.Add([]byte("003f1111111111111111111111111111111111111111 refs/heads/desired/a\n0000"))
	f.Add([]byte("000dpackfile\n0006\x01P0000"))
	f.Add([]byte("000eunpack ok\n0000"))
	f.Add([]byte("00001111111111111111111111111111111111111111"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = readListing(bytes.NewReader(data))
		_, _ = readFetched(bytes.NewReader(data), testLimits())
		_ = readReport(bytes.NewReader(data), desiredRef("a"))
		if commands, err := readCommands(bytes.NewReader(data)); err == nil {
			_ = commands.refusal("no")
			for _, c := range commands.changes {
				if _, err := parseID(c.New); err != nil {
					t.Errorf("%+v", c)
				}
			}
		}
	})
}
