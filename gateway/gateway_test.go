package gateway

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
)

// run starts a gateway on the world in a bubble with a clock of its own; stop
// ends it and waits until it has ended.
func (w *world) run() (g *Gateway, stop func()) {
	w.t.Helper()
	w.options.Now = time.Now
	g, err := New(w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- g.Run(ctx) }()
	return g, func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("run: %v", err)
		}
	}
}

// passing lets time go by and returns the calls of the provider meanwhile.
func (w *world) passing(d time.Duration) []string {
	time.Sleep(d) // the bubble's clock: it moves once everything rests
	synctest.Wait()
	return w.cloud.take()
}

func count(calls []string, call string) int {
	return len(slices.DeleteFunc(slices.Clone(calls), func(c string) bool { return c != call }))
}

func TestStuckClustersDelayNoOther(t *testing.T) {
	w := newWorld(t)
	for _, cluster := range []string{"dev", "stuck-1", "stuck-2", "stuck-3", "prod"} {
		w.publish(desire{cluster: cluster})
	}
	synctest.Test(t, func(*testing.T) {
		w.options.Concurrency = 1
		w.cloud.converge = func(ctx context.Context, c providers.Cluster) (providers.Observation, error) {
			if c.Name != "dev" && c.Name != "prod" {
				<-ctx.Done()
				return providers.Observation{}, ctx.Err()
			}
			return ready(), nil
		}
		_, stop := w.run()
		defer stop()
		w.passing(7 * time.Second) // three stuck ones lend the only slot, 2 s each
		for _, cluster := range []string{"dev", "prod"} {
			if body, _ := w.status(cluster); body.Phase != schemas.InfraReady {
				t.Errorf("%s is %q while others hang, want Ready", cluster, body.Phase)
			}
		}
		w.passing(time.Minute)
		if body, _ := w.status("stuck-2"); find(body, "Ready").Reason != "ProviderTimeout" {
			t.Errorf("a stuck cluster does not say so: %+v", body.Conditions)
		}
	})
}

func TestRest(t *testing.T) {
	w := newWorld(t)
	w.publish(desire{})
	synctest.Test(t, func(*testing.T) {
		_, stop := w.run()
		defer stop()
		w.passing(time.Second)
		if n := len(w.passing(5 * time.Minute)); n != 10 {
			t.Errorf("%d steps in 5 minutes of rest, want one every 30 s", n)
		}
	})
}

func TestProviderSaysWhenToComeBack(t *testing.T) {
	w := newWorld(t)
	w.publish(desire{})
	synctest.Test(t, func(*testing.T) {
		w.cloud.converge = func(context.Context, providers.Cluster) (providers.Observation, error) {
			return providers.Observation{Phase: schemas.InfraProvisioning, RequeueAfter: 200 * time.Millisecond}, nil
		}
		_, stop := w.run()
		defer stop()
		if n := len(w.passing(1900 * time.Millisecond)); n != 10 {
			t.Errorf("%d steps in 1.9 s, want one every 200 ms", n)
		}
	})
}

func TestNewCommitIsFollowedAtOnceWhenNotified(t *testing.T) {
	w := newWorld(t)
	w.publish(desire{})
	synctest.Test(t, func(*testing.T) {
		w.cloud.converge = func(context.Context, providers.Cluster) (providers.Observation, error) {
			return providers.Observation{}, errors.New("out of reach")
		}
		g, stop := w.run()
		defer stop()
		w.passing(20 * time.Minute) // long in back-off
		w.cloud.converge = newCloud().converge
		w.publish(desire{generation: 2})
		w.publish(desire{cluster: "prod"})
		g.Notify("dev")
		w.passing(time.Millisecond)
		for _, cluster := range []string{"dev", "prod"} {
			if body, _ := w.status(cluster); body.Phase != schemas.InfraReady {
				t.Errorf("%s is %q a moment after it was notified", cluster, body.Phase)
			}
		}
		g.Notify("dev")
		g.Notify("no-such-cluster")
		if calls := w.passing(time.Millisecond); count(calls, "converge dev") != 1 {
			t.Errorf("calls after a notification without a new commit: %v, want one", calls)
		}
	})
}

func TestFailuresBackOff(t *testing.T) {
	w := newWorld(t)
	w.publish(desire{})
	synctest.Test(t, func(*testing.T) {
		w.cloud.converge = func(context.Context, providers.Cluster) (providers.Observation, error) {
			return providers.Observation{}, errors.New("out of reach")
		}
		_, stop := w.run()
		defer stop()
		if n := len(w.passing(62 * time.Second)); n != 6 { // at 0, 1, 3, 7, 15, 31 s
			t.Errorf("%d attempts in the first minute, want 6", n)
		}
		if n := len(w.passing(20 * time.Minute)); n > 12 {
			t.Errorf("%d attempts in 20 minutes, want one in two minutes at most", n)
		}
	})
}

func TestBranchesThatAreNotListedAreNotGone(t *testing.T) {
	w := newWorld(t)
	w.publish(desire{})
	synctest.Test(t, func(*testing.T) {
		g, stop := w.run()
		defer stop()
		w.passing(time.Second)
		w.faults.failTips(errors.New("connection refused"))
		w.publish(desire{generation: 2})
		g.Notify("dev")
		w.passing(10 * time.Minute)
		body, _ := w.status("dev")
		if body.Phase != schemas.InfraReady || body.Observed.Generation != 1 {
			t.Errorf("during the outage: phase %s, generation %d", body.Phase, body.Observed.Generation)
		}
		w.faults.failTips(nil)
		w.passing(time.Minute)
		if body, _ := w.status("dev"); body.Observed.Generation != 2 {
			t.Errorf("after the outage: generation %d", body.Observed.Generation)
		}
	})
}

func TestMissingBranchChangesNothing(t *testing.T) {
	w := newWorld(t)
	tip := w.publish(desire{})
	synctest.Test(t, func(*testing.T) {
		hidden := &hiding{Source: w.options.Source}
		w.options.Source = hidden
		g, stop := w.run()
		defer stop()
		w.passing(time.Second)
		before, _ := w.status("dev")
		hidden.hide.Store(true)
		g.Notify("dev")
		if calls := w.passing(time.Hour); calls != nil {
			t.Errorf("without a branch the provider was called: %v", calls)
		}
		if after, _ := w.status("dev"); after.Phase != before.Phase || after.Sequence != before.Sequence {
			t.Errorf("without a branch the status changed: %+v", after)
		}
		hidden.hide.Store(false)
		g.Notify("dev")
		if calls := w.passing(time.Second); count(calls, "converge dev") != 1 {
			t.Errorf("calls once the branch is back at %s: %v", tip, calls)
		}
	})
}

func TestStopEndsStepsUnderWay(t *testing.T) {
	w := newWorld(t)
	w.publish(desire{})
	synctest.Test(t, func(*testing.T) {
		ended := false
		w.cloud.converge = func(ctx context.Context, _ providers.Cluster) (providers.Observation, error) {
			<-ctx.Done()
			ended = true // unsynchronised: Run must not return before this
			return providers.Observation{}, ctx.Err()
		}
		_, stop := w.run()
		w.passing(time.Second)
		stop()
		if !ended {
			t.Error("Run returned while a step was under way")
		}
	})
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	w := newWorld(t)
	for name, edit := range map[string]func(*Options){
		"no tenant":    func(o *Options) { o.Tenant = "" },
		"no keys":      func(o *Options) { o.TrustedKeys = nil },
		"no source":    func(o *Options) { o.Source = nil },
		"no sink":      func(o *Options) { o.Sink = nil },
		"no bootstrap": func(o *Options) { o.Bootstrap = nil },
	} {
		o := w.options
		edit(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
