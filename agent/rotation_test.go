package agent

import (
	"context"
	"errors"
	"net/http"
	gosync "sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

func TestTrustedKeysRotate(t *testing.T) {
	bed := newTestbed(t)
	old, next := bed.renderer, newRenderer(t)
	commit := func(signer renderer, value string, keys ...string) string {
		bed.generation++
		state := desiredState{uid: bed.uid, generation: bed.generation, keys: keys, layers: []layerOf{configMapLayer("base", bed.namespace, 1, value)}}
		snapshot := signer.snapshot(t, state.files(t))
		bed.branch.set(snapshot, nil)
		return snapshot.Commit
	}
	overlap := commit(old, "overlap", old.public, next.public)
	stop := bed.run()
	bed.eventuallyReady(overlap)
	bed.eventuallyReady(commit(next, "next", next.public))
	stop()
	bed.run() // the Secret still names the old key
	commit(old, "retired", old.public)
	bed.eventuallyCondition(schemas.ConditionFetched, "False", "Untrusted")
	if value := bed.value("base-000"); value != "next" {
		t.Errorf("value is %q: a retired key was believed", value)
	}
	// A person recovers from lost keys by another key in the Secret.
	recovery := newRenderer(t)
	bed.install("http://127.0.0.1:1/acme.git", recovery.public)
	bed.eventuallyReady(commit(recovery, "recovered", recovery.public))
}

func TestRotatedTokenIsTakenOver(t *testing.T) {
	bed := newTestbed(t)
	commit := bed.desire(configMapLayer("base", bed.namespace, 1, "x"))
	var mu gosync.Mutex
	valid := tokenCanary
	options := bed.options()
	options.Connect = func(config Config) Repository {
		return guarded{bed.branch, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return config.Token == valid
		}}
	}
	bed.runWith(options)
	bed.eventuallyReady(commit)
	mu.Lock()
	valid = "second-token"
	mu.Unlock()
	next := bed.desire(configMapLayer("base", bed.namespace, 1, "y"))
	bed.installWith("http://127.0.0.1:1/acme.git", "second-token", bed.renderer.public)
	bed.eventuallyReady(next)
}

// guarded answers only those who may read.
type guarded struct {
	*branch
	allowed func() bool
}

// Fetch is part of Repository.
func (g guarded) Fetch(ctx context.Context, ref, known string) (*sync.Snapshot, error) {
	if !g.allowed() {
		return nil, sync.ErrUnauthorized
	}
	return g.branch.Fetch(ctx, ref, known)
}

// Outage of the API server: nothing answers, then everything recovers alone.
func TestAPIServerOutage(t *testing.T) {
	bed := newTestbed(t)
	outage := &outage{}
	bed.transport = outage.around
	layer := configMapLayer("base", bed.namespace, 2, "one")
	bed.eventuallyReadyAfterRun(layer)
	outage.set(true)
	layer.objects["configmap..base-000.yaml"] = configMapYAML("base-000", "two")
	commit := bed.desire(layer)
	bed.eventuallyCondition(schemas.ConditionApplied, "False", "Failed")
	outage.set(false)
	bed.eventuallyReady(commit)
	if diff := cmp.Diff(map[string]string{"base-000": "two", "base-001": "one"}, bed.content()); diff != "" {
		t.Error(diff)
	}
}

type outage struct {
	mu   gosync.Mutex
	down bool
}

func (o *outage) set(down bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down = down
}

func (o *outage) around(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		o.mu.Lock()
		down := o.down
		o.mu.Unlock()
		if down {
			return nil, errors.New("connection refused by the test")
		}
		return next.RoundTrip(request)
	})
}

func TestHeartbeatAndFailedPushes(t *testing.T) {
	bed := newTestbed(t)
	commit := bed.desire(configMapLayer("base", bed.namespace, 1, "x"))
	options := bed.options()
	options.Heartbeat = 200 * time.Millisecond
	bed.runWith(options)
	bed.eventuallyReady(commit)
	reached := bed.branch.status().Sequence
	bed.eventually(func() string {
		if bed.branch.status().Sequence < reached+3 {
			return "no heartbeats"
		}
		return ""
	})
	bed.branch.move("somebody-else") // the next push meets a conflict
	reached = bed.branch.status().Sequence
	bed.eventually(func() string {
		if bed.branch.status().Sequence <= reached {
			return "sequence does not go on after a conflict"
		}
		return ""
	})
}
