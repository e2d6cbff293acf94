package agent

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

func TestUnreadableBranchChangesNothing(t *testing.T) {
	bed := newTestbed(t)
	commit := bed.desire(configMapLayer("base", bed.namespace, 200, "one"))
	stop := bed.run()
	bed.eventuallyReady(commit)
	good := bed.branch.snapshot
	before := bed.owned("ConfigMap")
	if len(before) != 200 {
		t.Fatalf("%d objects applied, want 200", len(before))
	}
	garbage := *good
	garbage.Commit, garbage.Raw = "0123456789", []byte("garbage")
	for _, fault := range []struct {
		name, reason string
		snapshot     *sync.Snapshot
		err          error
	}{
		{"branch is missing", "BranchMissing", nil, nil},
		{"credentials are refused", "Unauthorized", nil, fmt.Errorf("fetch: %w", sync.ErrUnauthorized)},
		{"network is down", "Unreachable", nil, fmt.Errorf("dial tcp 127.0.0.1:1: connection refused")},
		{"commit is garbage", "Untrusted", &garbage, nil},
	} {
		t.Run(fault.name, func(t *testing.T) {
			bed.branch.set(fault.snapshot, fault.err)
			bed.eventuallyCondition(schemas.ConditionFetched, "False", fault.reason)
			bed.remove("ConfigMap", "base-007") // the last good state is still kept in repair
			bed.eventually(func() string {
				return cmp.Diff(before, bed.owned("ConfigMap"))
			})
			if ready := conditionOf(bed.branch.status(), schemas.ConditionReady).Status; ready != "True" {
				t.Errorf("Ready is %s although only the branch is unreadable", ready)
			}
		})
	}
	stop()
	bed.branch.set(nil, nil)
	bed.run() // knows nothing but its inventory now
	bed.eventuallyCondition(schemas.ConditionFetched, "False", "BranchMissing")
	if diff := cmp.Diff(before, bed.owned("ConfigMap")); diff != "" {
		t.Errorf("restart without branch changed objects: %s", diff)
	}
	bed.branch.set(good, nil)
	bed.eventuallyReady(commit)
}

func TestHostileDesiredStateIsRefused(t *testing.T) {
	bed := newTestbed(t)
	bed.generation = 10
	commit := bed.desire(configMapLayer("base", bed.namespace, 3, "good"))
	bed.run()
	bed.eventuallyReady(commit)
	good := bed.branch.snapshot

	evil := []layerOf{configMapLayer("base", bed.namespace, 3, "evil")}
	base := desiredState{uid: bed.uid, generation: 12, keys: []string{bed.renderer.public}, layers: evil}
	with := func(change func(*desiredState)) *sync.Snapshot {
		state := base
		change(&state)
		return bed.renderer.snapshot(t, state.files(t))
	}
	otherRef := with(func(*desiredState) {})
	otherRef.Ref = schemas.DesiredRef("other")
	altered := with(func(*desiredState) {})
	altered.Raw = append(altered.Raw[:len(altered.Raw):len(altered.Raw)], "more\n"...)
	for _, hostile := range []struct {
		name, reason string
		snapshot     *sync.Snapshot
	}{
		{"unsigned", "Untrusted", renderer{}.snapshot(t, base.files(t))},
		{"other key", "Untrusted", newRenderer(t).snapshot(t, base.files(t))},
		{"altered after signing", "Untrusted", altered},
		{"other ref", "WrongRef", otherRef},
		{"other cluster", "WrongCluster", with(func(s *desiredState) {
			s.change = func(d *schemas.DesiredCluster) { d.Metadata.Name = "other" }
		})},
		{"other incarnation", "WrongCluster", with(func(s *desiredState) { s.uid = "other" })},
		{"other tenant", "WrongTenant", with(func(s *desiredState) {
			s.change = func(d *schemas.DesiredCluster) { d.Spec.Tenant = "other" }
		})},
		{"older generation", "OlderGeneration", with(func(s *desiredState) { s.generation = 10 })},
		{"same generation, other content", "OlderGeneration", with(func(s *desiredState) { s.generation = 11 })},
		{"tampered file", "Tampered", with(func(s *desiredState) {
			s.tamper = func(files map[string][]byte) {
				files["layers/00-base/configmap..base-000.yaml"] = []byte(configMapYAML("base-000", "tampered"))
			}
		})},
		{"file left out", "Tampered", with(func(s *desiredState) {
			s.tamper = func(files map[string][]byte) { delete(files, "layers/00-base/configmap..base-000.yaml") }
		})},
		{"file added", "Tampered", with(func(s *desiredState) {
			s.tamper = func(files map[string][]byte) { files["layers/99-more/x.yaml"] = []byte(configMapYAML("more", "x")) }
		})},
		{"no keys for later", "NoTrustedKeys", with(func(s *desiredState) { s.keys = nil })},
	} {
		t.Run(hostile.name, func(t *testing.T) {
			bed.branch.set(hostile.snapshot, nil)
			bed.eventuallyCondition(schemas.ConditionFetched, "False", hostile.reason)
			if value := bed.value("base-000"); value != "good" {
				t.Errorf("value is %q, want it unchanged", value)
			}
			if status := bed.branch.status(); status.Observed.Commit != commit || status.Applied.Commit != commit {
				t.Errorf("observed %s, applied %s, want the good commit %s", status.Observed.Commit, status.Applied.Commit, commit)
			}
			bed.branch.set(good, nil)
			bed.eventuallyCondition(schemas.ConditionFetched, "True", "Fetched")
		})
	}
}

func TestGenerationRatchetSurvivesRestart(t *testing.T) {
	bed := newTestbed(t)
	older := bed.desire(configMapLayer("base", bed.namespace, 1, "older"))
	oldSnapshot := bed.branch.snapshot
	stop := bed.run()
	bed.eventuallyReady(older)
	newer := bed.desire(configMapLayer("base", bed.namespace, 1, "newer"))
	bed.eventuallyReady(newer)
	stop()
	bed.branch.set(oldSnapshot, nil)
	bed.run()
	bed.eventuallyCondition(schemas.ConditionFetched, "False", "OlderGeneration")
	if value := bed.value("base-000"); value != "newer" {
		t.Errorf("value is %q after an older commit was served to a restarted agent", value)
	}
}

func TestChangeReachesOnlyWhatChanged(t *testing.T) {
	bed := newTestbed(t)
	layer := configMapLayer("base", bed.namespace, 20, "one")
	bed.eventuallyReadyAfterRun(layer)
	untouched := bed.get("ConfigMap", "base-001").GetResourceVersion()
	layer.objects["configmap..base-000.yaml"] = configMapYAML("base-000", "two")
	start := time.Now()
	commit := bed.desire(layer)
	bed.eventually(func() string { return cmp.Diff("two", bed.value("base-000")) })
	t.Logf("change of 1 of 20 objects applied %v after publishing (poll interval 100ms)", time.Since(start))
	bed.eventuallyReady(commit)
	if now := bed.get("ConfigMap", "base-001").GetResourceVersion(); now != untouched {
		t.Errorf("an unchanged object was written: resourceVersion %s became %s", untouched, now)
	}
}

func (b *testbed) eventuallyReadyAfterRun(layers ...layerOf) func() {
	b.t.Helper()
	commit := b.desire(layers...)
	stop := b.run()
	b.eventuallyReady(commit)
	return stop
}
