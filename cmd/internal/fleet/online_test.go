package fleet

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	stdsync "sync"
	"testing"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// serve offers the world's repository over HTTP. before sees the body of each
// request and may answer it itself.
func serve(t *testing.T, w *world, before func(http.ResponseWriter, string) (answered bool)) string {
	t.Helper()
	server, err := sync.NewServer(sync.ServerOptions{
		Repository: func(string) (*sync.Repository, bool) { return w.repository, true },
		Authenticate: func(_, _, token string) (sync.Principal, bool) {
			return sync.Principal{Kind: sync.Person, Name: "tester"}, token == "right"
		},
		Check:       func(context.Context, sync.Push) error { return nil },
		HookCommand: []string{"false"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var one stdsync.Mutex // before sees one request at a time
	endpoint := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		one.Lock()
		answered := before(rw, string(body))
		one.Unlock()
		if !answered {
			r.Body = io.NopCloser(bytes.NewReader(body))
			server.ServeHTTP(rw, r)
		}
	}))
	t.Cleanup(func() {
		endpoint.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return strings.Replace(endpoint.URL, "://", "://tester:right@", 1) + "/acme.git"
}

func isFetch(body string) bool { return strings.Contains(body, "command=fetch") }

// refuse answers as a server does that gives the tips of refs only.
func refuse(rw http.ResponseWriter) {
	rw.Header().Set("Content-Type", "application/x-git-upload-pack-result")
	const text = "ERR upload-pack: not our ref\n"
	fmt.Fprintf(rw, "%04x%s", len(text)+4, text) // a packet: gitprotocol-common(5)
}

func readOnline(t *testing.T, url string) []Cluster {
	t.Helper()
	reader, err := Open(url, "")
	if err != nil {
		t.Fatal(err)
	}
	clusters, err := Read(t.Context(), reader, now)
	if err != nil {
		t.Fatal(err)
	}
	return clusters
}

func TestBranchThatGoesAwayMeanwhileIsLeftOut(t *testing.T) {
	w := newWorld(t)
	w.publish()
	gone := w.desired
	gone.Metadata.Name = "gone"
	w.write(schemas.DesiredRef("gone"), schemas.DesiredClusterFile, w.renderer, gone, now)
	requests := 0
	url := serve(t, w, func(http.ResponseWriter, string) bool {
		if requests++; requests == 2 {
			remove := exec.Command("git", "--git-dir", w.repository.Dir(), "update-ref", "-d", schemas.DesiredRef("gone"))
			if out, err := remove.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		}
		return false
	})
	clusters := readOnline(t, url)
	if len(clusters) != 1 || clusters[0].Name != "dev" || clusters[0].State != StateReady {
		t.Errorf("clusters %+v", clusters)
	}
}

func TestBranchThatMovesMeanwhileIsReadWhereItIs(t *testing.T) {
	w := newWorld(t)
	w.publish()
	refused := false
	url := serve(t, w, func(rw http.ResponseWriter, body string) bool {
		agent, err := w.repository.Tip(t.Context(), schemas.AgentStatusRef("dev"))
		if err != nil {
			t.Error(err)
		}
		if refused || !isFetch(body) || !strings.Contains(body, "want "+agent) {
			return false
		}
		w.status.Status.Applied.Source = "newer"
		w.write(schemas.AgentStatusRef("dev"), schemas.StatusFile, w.agent, w.status, now)
		refused = true
		refuse(rw)
		return true
	})
	clusters := readOnline(t, url)
	if len(clusters) != 1 || clusters[0].State != StateReady || clusters[0].Source != "newer" {
		t.Errorf("clusters %+v", clusters)
	}
}

func TestBranchThatCannotBeFetchedIsUnknown(t *testing.T) {
	w := newWorld(t)
	w.publish()
	fetches := 0
	url := serve(t, w, func(rw http.ResponseWriter, body string) bool {
		if !isFetch(body) {
			return false
		}
		fetches++
		refuse(rw)
		return true
	})
	clusters := readOnline(t, url)
	if len(clusters) != 1 || clusters[0].State != StateUnknown || !strings.Contains(clusters[0].Message, "not our ref") {
		t.Errorf("clusters %+v", clusters)
	}
	if fetches != 3 {
		t.Errorf("%d fetches of 3 branches that stay where they are", fetches)
	}
}

func TestRefsThatCannotBeListedAreAnError(t *testing.T) {
	url := serve(t, newWorld(t), func(http.ResponseWriter, string) bool { return false })
	reader, err := Open(strings.Replace(url, "right", "wrong", 1), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), reader, now); err == nil || strings.Contains(err.Error(), "wrong") {
		t.Errorf("error %v", err)
	}
}
