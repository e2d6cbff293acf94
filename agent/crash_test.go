package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	gosync "sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"branchline.dev/branchline/schemas"
)

// killer ends the agent after its request number At was carried out and before
// the answer reaches it. For what is stored that is the same as a kill before
// the request after it.
type killer struct {
	at   int
	kill context.CancelFunc

	mu    gosync.Mutex
	count int
	dead  bool
}

var errKilled = errors.New("killed by the test")

func (k *killer) around(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) { return k.carry(next, request) })
}

func (k *killer) carry(next http.RoundTripper, request *http.Request) (*http.Response, error) {
	k.mu.Lock()
	if k.dead {
		k.mu.Unlock()
		return nil, errKilled
	}
	k.count++
	mine := k.count == k.at
	k.dead = mine
	k.mu.Unlock()
	response, err := next.RoundTrip(request)
	if !mine {
		return response, err
	}
	if err == nil {
		response.Body.Close()
	}
	k.kill()
	return nil, errKilled
}

func (k *killer) done() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.dead
}

func TestKillAtEveryCallLosesAndOrphansNothing(t *testing.T) {
	bed := newTestbed(t)
	one := []layerOf{configMapLayer("first", bed.namespace, 3, "one"), configMapLayer("second", bed.namespace, 2, "one"), configMapLayer("old", bed.namespace, 2, "one")}
	two := []layerOf{configMapLayer("first", bed.namespace, 4, "two"), configMapLayer("second", bed.namespace, 1, "one"), configMapLayer("new", bed.namespace, 2, "two")}
	two[1].dependsOn = []string{"first"}
	bed.eventuallyReadyAfterRun(one...)()

	for at := 1; ; at++ {
		layers := two
		if at%2 == 0 {
			layers = one
		}
		commit := bed.desire(layers...)
		killed := bed.runUntilKilled(at, commit)
		if missing := missingFrom(bed.inventoried(), bed.owned("ConfigMap")); len(missing) > 0 {
			t.Fatalf("killed at call %d: owned objects %v are not in the inventory", at, missing)
		}
		stop := bed.run()
		bed.eventuallyReady(commit)
		stop()
		if diff := cmp.Diff(bed.contentOf(layers), bed.content()); diff != "" {
			t.Fatalf("killed at call %d: end state: %s", at, diff)
		}
		if diff := cmp.Diff(bed.owned("ConfigMap"), bed.inventoried()); diff != "" {
			t.Fatalf("killed at call %d: inventory: %s", at, diff)
		}
		if !killed {
			t.Logf("%d calls from start to ready", at-1)
			return
		}
	}
}

// runUntilKilled runs an agent that dies at a call; false means that it was
// ready before it made so many.
func (b *testbed) runUntilKilled(at int, commit string) bool {
	ctx, cancel := context.WithCancel(b.t.Context())
	defer cancel()
	fault := &killer{at: at, kill: cancel}
	b.transport = fault.around
	options := b.options()
	b.transport = nil
	stopped := make(chan error, 1)
	go func() { stopped <- Run(ctx, options) }()
	b.eventually(func() string {
		status := b.branch.status()
		if fault.done() || status.Applied.Commit == commit && conditionOf(status, schemas.ConditionPruned).Status == "True" {
			return ""
		}
		return fmt.Sprintf("neither killed at call %d nor ready", at)
	})
	cancel()
	if err := <-stopped; err != nil {
		b.t.Fatalf("agent stopped: %v", err)
	}
	return fault.done()
}

func missingFrom(have, want []string) []string {
	var missing []string
	for _, name := range want {
		if !slices.Contains(have, name) {
			missing = append(missing, name)
		}
	}
	return missing
}

// content gives the values of all ConfigMaps that the agent owns.
func (b *testbed) content() map[string]string {
	b.t.Helper()
	values := map[string]string{}
	for _, name := range b.owned("ConfigMap") {
		values[name] = b.value(name)
	}
	return values
}

func (b *testbed) contentOf(layers []layerOf) map[string]string {
	b.t.Helper()
	values := map[string]string{}
	for _, layer := range layers {
		for file, content := range layer.objects {
			_, object, err := readObject([]byte(content))
			if err != nil {
				b.t.Fatalf("%s: %v", file, err)
			}
			data := object.Object["data"].(map[string]any)
			values[object.GetName()] = data["value"].(string)
		}
	}
	return values
}

func TestNoCallsAtRest(t *testing.T) {
	bed := newTestbed(t)
	counter := &countingTransport{}
	bed.transport = func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			counter.note(request)
			return next.RoundTrip(request)
		})
	}
	commit := bed.desire(configMapLayer("base", bed.namespace, 50, "x"))
	bed.run()
	bed.eventuallyReady(commit)
	bed.eventually(func() string { return cmp.Diff(int64(0), counter.since()) }) // no call between two looks
	polls := bed.branch.fetches()
	counter.since()
	bed.eventually(func() string {
		if bed.branch.fetches() < polls+10 {
			return "branch was not polled 10 times"
		}
		return ""
	})
	if calls := counter.since(); calls != 0 {
		t.Errorf("%d calls during 10 polls of an unchanged branch, want none", calls)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip is part of http.RoundTripper.
func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

type countingTransport struct {
	mu    gosync.Mutex
	count int64
}

func (c *countingTransport) note(*http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
}

// since gives the number of requests since it was last asked.
func (c *countingTransport) since() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	count := c.count
	c.count = 0
	return count
}
