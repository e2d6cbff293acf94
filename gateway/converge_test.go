package gateway

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
)

func at(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func TestStatusTellsHowFarAClusterHasCome(t *testing.T) {
	w := newWorld(t)
	commit := w.publish(desire{generation: 7})
	var recorded schemas.InfraStatusBody
	w.cloud.converge = func(context.Context, providers.Cluster) (providers.Observation, error) {
		recorded, _ = w.status("dev")
		return providers.Observation{Phase: schemas.InfraProvisioning, RequeueAfter: 300 * time.Millisecond}, nil
	}
	if next := w.mustStep(); next != 300*time.Millisecond {
		t.Errorf("next step after %v, want what the provider asked for", next)
	}
	if recorded.UID != uidA || recorded.Phase != schemas.InfraPending {
		t.Errorf("when the provider was first called, the status said uid %q, phase %q; want the uid on record and Pending", recorded.UID, recorded.Phase)
	}
	_, first := w.status("dev")

	w.clock = start.Add(time.Minute)
	w.cloud.converge = func(context.Context, providers.Cluster) (providers.Observation, error) { return ready(), nil }
	w.mustStep()
	got, _ := w.status("dev")
	want := schemas.InfraStatusBody{
		Tenant: tenant, UID: uidA, Sequence: 3, Previous: first, Phase: schemas.InfraReady,
		Observed: schemas.DesiredRevision{Commit: commit, Generation: 7, Source: "0123456789012345678901234567890123456789"},
		Conditions: []schemas.Condition{
			{Type: "Ready", Status: "True", Reason: "Ready", LastTransitionTime: at(w.clock)},
			{Type: "Fetched", Status: "True", Reason: "Verified", LastTransitionTime: at(start)},
		},
		Endpoint: "https://127.0.0.1:6443", KubernetesVersion: "v1.35.4",
		Nodes:          []schemas.NodeStatus{{Name: "dev-workers-1", Pool: "workers", Phase: "Ready"}},
		AgentPublicKey: "ssh-ed25519 AAAA",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func TestNothingNewIsNotWritten(t *testing.T) {
	w := newWorld(t)
	w.publish(desire{})
	w.mustStep()
	before, tip := w.status("dev")

	w.clock = start.Add(5 * time.Minute)
	w.mustStep()
	w.restart()
	w.mustStep()
	if _, now := w.status("dev"); now != tip {
		t.Error("an unchanged status was written again before its heartbeat was due")
	}

	w.clock = start.Add(10 * time.Minute)
	w.mustStep()
	after, _ := w.status("dev")
	before.Sequence++
	before.Previous = tip
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("a heartbeat changes more than its place in the sequence (-want +got):\n%s", diff)
	}
}

func TestFailedStepKeepsWhatWasKnown(t *testing.T) {
	w := newWorld(t)
	w.publish(desire{})
	w.mustStep()
	known, _ := w.status("dev")

	w.clock = start.Add(time.Minute)
	w.cloud.converge = func(context.Context, providers.Cluster) (providers.Observation, error) {
		return providers.Observation{}, errors.New("cloud is out of reach")
	}
	if _, err := w.step(); err == nil {
		t.Fatal("a failed step gave no error, so it would not back off")
	}
	got, _ := w.status("dev")
	want := known
	want.Conditions = []schemas.Condition{
		{Type: "Ready", Status: "Unknown", Reason: "ProviderError", Message: "converge cluster dev: cloud is out of reach", LastTransitionTime: at(w.clock)},
		known.Conditions[1],
	}
	want.Sequence, want.Previous = got.Sequence, got.Previous
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status after a failed step (-want +got):\n%s", diff)
	}

	// The next failure reads otherwise: no reason to write again at once.
	_, tip := w.status("dev")
	w.clock = w.clock.Add(10 * time.Second)
	w.cloud.converge = func(context.Context, providers.Cluster) (providers.Observation, error) {
		return providers.Observation{}, errors.New("cloud is out of reach: attempt 2")
	}
	_, _ = w.step()
	if _, now := w.status("dev"); now != tip {
		t.Error("a status was written for another error message alone")
	}

	w.cloud.converge = func(context.Context, providers.Cluster) (providers.Observation, error) { return ready(), nil }
	w.mustStep()
	if c := w.condition("Ready"); c.Status != "True" {
		t.Errorf("after recovery Ready is %+v", c)
	}
}

func TestStepThatHangsIsEnded(t *testing.T) {
	w := newWorld(t)
	w.options.StepTimeout = 10 * time.Millisecond
	w.publish(desire{})
	w.cloud.converge = func(ctx context.Context, _ providers.Cluster) (providers.Observation, error) {
		<-ctx.Done()
		return providers.Observation{}, ctx.Err()
	}
	if _, err := w.step(); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error %v, want a deadline", err)
	}
	if c := w.condition("Ready"); c.Status != "Unknown" || c.Reason != "ProviderTimeout" {
		t.Errorf("Ready is %+v", c)
	}
}

func TestPanicOfAProviderIsAFailedStep(t *testing.T) {
	w := newWorld(t)
	w.publish(desire{})
	w.cloud.converge = func(context.Context, providers.Cluster) (providers.Observation, error) { panic("index out of range") }
	if _, err := w.step(); err == nil {
		t.Fatal("want an error")
	}
	if c := w.condition("Ready"); c.Reason != "ProviderError" {
		t.Errorf("Ready is %+v", c)
	}
}

func TestStoppingIsNoFinding(t *testing.T) {
	w := newWorld(t)
	tip := w.publish(desire{})
	w.mustStep()
	_, status := w.status("dev")
	ctx, stop := context.WithCancel(t.Context())
	w.cloud.converge = func(ctx context.Context, _ providers.Cluster) (providers.Observation, error) {
		stop()
		return providers.Observation{}, ctx.Err()
	}
	if _, err := Converge(ctx, w.options, "dev", tip, &w.memory); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want Canceled", err)
	}
	if _, now := w.status("dev"); now != status {
		t.Error("a step that was stopped was reported as a failure of the cluster")
	}
}

func TestCrashBetweenStepAndStatus(t *testing.T) {
	w := newWorld(t)
	w.publish(desire{})
	w.cloud.converge = func(context.Context, providers.Cluster) (providers.Observation, error) {
		return providers.Observation{Phase: schemas.InfraProvisioning}, nil
	}
	w.mustStep()
	before, tip := w.status("dev")

	w.cloud.converge = func(context.Context, providers.Cluster) (providers.Observation, error) { return ready(), nil }
	w.faults.before = func() error { return errors.New("the process is gone") }
	if _, err := w.step(); err == nil {
		t.Fatal("a status that was not written gave no error")
	}
	w.faults.before = nil
	w.restart()
	w.mustStep()
	after, _ := w.status("dev")
	if after.Sequence != before.Sequence+1 || after.Previous != tip || after.Phase != schemas.InfraReady {
		t.Errorf("after the restart: sequence %d, previous %s, phase %s; want %d, %s, Ready", after.Sequence, after.Previous, after.Phase, before.Sequence+1, tip)
	}
}

func TestNoStatusNoStep(t *testing.T) {
	// The UID must be on record before anything is made for it, and what is on
	// record must be known before anything is done.
	for name, fail := range map[string]func(*faults){
		"status cannot be read":    func(f *faults) { f.last = errors.New("disk error") },
		"status cannot be written": func(f *faults) { f.before = func() error { return errors.New("disk full") } },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.publish(desire{})
			fail(w.faults)
			if _, err := w.step(); err == nil {
				t.Error("want an error")
			}
			if calls := w.cloud.take(); calls != nil {
				t.Errorf("provider was called: %v", calls)
			}
		})
	}
}

func TestStatusOfAnotherWriterIsNotOverwrittenBlindly(t *testing.T) {
	w := newWorld(t)
	w.publish(desire{})
	w.mustStep()

	other := Memory{} // another hub, for the same cluster, at the same time
	tips, err := w.options.Source.Tips(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.cloud.converge = func(context.Context, providers.Cluster) (providers.Observation, error) {
		seen := ready()
		seen.Phase = schemas.InfraUpdating
		return seen, nil
	}
	if _, err := Converge(t.Context(), w.options, "dev", tips["dev"], &other); err != nil {
		t.Fatal(err)
	}
	theirs, theirTip := w.status("dev")

	w.cloud.converge = func(context.Context, providers.Cluster) (providers.Observation, error) {
		return providers.Observation{Phase: schemas.InfraDegraded}, nil
	}
	w.mustStep() // its memory is behind: conflict, then a second attempt
	ours, _ := w.status("dev")
	if ours.Sequence != theirs.Sequence+1 || ours.Previous != theirTip {
		t.Errorf("sequence %d after %d, previous %s, want %s", ours.Sequence, theirs.Sequence, ours.Previous, theirTip)
	}

	w.publish(desire{generation: 2})
	tip2 := func() string { tips, _ := w.options.Source.Tips(t.Context()); return tips["dev"] }()
	if _, err := Converge(t.Context(), w.options, "dev", tip2, &other); err != nil {
		t.Fatal(err)
	}
	w.clock = start.Add(time.Hour) // a heartbeat is due, for what is old by now
	_, err = Converge(t.Context(), w.options, "dev", tips["dev"], &w.memory)
	if err == nil || !strings.Contains(err.Error(), "another gateway runs") {
		t.Errorf("error %v, want the other writer named", err)
	}
	if now, _ := w.status("dev"); now.Observed.Generation != 2 {
		t.Errorf("the status went back to generation %d", now.Observed.Generation)
	}
}

func TestLostResponseOfAWrite(t *testing.T) {
	w := newWorld(t)
	w.publish(desire{})
	w.faults.after = func() error { w.faults.after = nil; return errors.New("connection reset") }
	if _, err := w.step(); err == nil {
		t.Fatal("want an error")
	}
	w.mustStep()
	if got, _ := w.status("dev"); got.Phase != schemas.InfraReady || got.Sequence != 2 {
		t.Errorf("phase %s, sequence %d; want Ready, 2", got.Phase, got.Sequence)
	}
}

func TestClusterOfAnotherGatewayIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.publish(desire{cloud: "elsewhere"})
	w.mustStep()
	if _, tip := w.status("dev"); tip != "" || w.cloud.take() != nil {
		t.Error("a cluster of a cloud without a provider was touched")
	}
}

func TestStatusIsBoundedWhateverTheProviderSays(t *testing.T) {
	w := newWorld(t)
	w.publish(desire{})
	w.cloud.converge = func(context.Context, providers.Cluster) (providers.Observation, error) {
		seen := ready()
		for range 10_000 {
			seen.Nodes = append(seen.Nodes, schemas.NodeStatus{Name: strings.Repeat("n", 63), Pool: strings.Repeat("p", 40), Phase: "Provisioning"})
		}
		for i := range 100 {
			seen.Conditions = append(seen.Conditions, schemas.Condition{
				Type: strings.Repeat("C", i+1), Status: "False", Reason: "Because", Message: strings.Repeat("\x00é\n", 10_000),
			})
		}
		return seen, nil
	}
	w.mustStep()
	body, tip := w.status("dev")
	data, err := w.repo.File(t.Context(), tip, schemas.StatusFile)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > 64<<10 || len(data) < 32<<10 {
		t.Errorf("the status has %d bytes; at most 64 KiB are allowed and much of that can be used", len(data))
	}
	if c := w.condition("NodesListed"); c.Status != "False" || len(body.Nodes) != maxNodes {
		t.Errorf("%d nodes are listed and NodesListed is %+v", len(body.Nodes), c)
	}
	w.restart()
	w.mustStep()
	if _, now := w.status("dev"); now != tip {
		t.Error("a status that was cut short is written again and again")
	}
}
