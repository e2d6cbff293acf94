package agent

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"branchline.dev/branchline/schemas"
)

func without(layer layerOf, names ...string) layerOf {
	smaller := layer
	smaller.objects = map[string]string{}
	for file, content := range layer.objects {
		smaller.objects[file] = content
	}
	for _, name := range names {
		delete(smaller.objects, "configmap.."+name+".yaml")
	}
	return smaller
}

func TestPruneRemovesOnlyWhatIsOurs(t *testing.T) {
	bed := newTestbed(t)
	layer := configMapLayer("base", bed.namespace, 6, "x")
	bed.eventuallyReadyAfterRun(layer)
	label := func(name, owner string) {
		bed.merge("ConfigMap", name, map[string]any{"metadata": map[string]any{"labels": map[string]any{schemas.OwnerLabel: owner}}})
	}
	bed.merge("ConfigMap", "base-002", map[string]any{"metadata": map[string]any{"annotations": map[string]any{schemas.PruneAnnotation: "disabled"}}})
	label("base-003", "another-cluster")
	bed.eventually(func() string { // the agent sees it and refuses to take it back
		if bed.branch.status().FailingCount == 0 {
			return "foreign owner is not reported"
		}
		return ""
	})
	commit := bed.desire(without(layer, "base-001", "base-002", "base-003"))
	bed.eventuallyReady(commit)
	if bed.get("ConfigMap", "base-001") != nil {
		t.Error("base-001 was not pruned")
	}
	for name, why := range map[string]string{"base-002": "its annotation protects it", "base-003": "another cluster owns it"} {
		if bed.get("ConfigMap", name) == nil {
			t.Errorf("%s was pruned although %s", name, why)
		}
	}
	if pruned := conditionOf(bed.branch.status(), schemas.ConditionPruned); pruned.Reason != "Kept" {
		t.Errorf("condition Pruned has reason %s, want Kept", pruned.Reason)
	}
	if diff := cmp.Diff([]string{"base-000", "base-002", "base-004", "base-005"}, bed.inventoried()); diff != "" {
		t.Errorf("inventory: %s", diff)
	}
}

func TestPruneReleasesAnObjectThatIsNotTheOneApplied(t *testing.T) {
	bed := newTestbed(t)
	layer := configMapLayer("base", bed.namespace, 2, "x")
	stop := bed.eventuallyReadyAfterRun(layer)
	stop()
	labels := bed.get("ConfigMap", "base-001").GetLabels()
	bed.remove("ConfigMap", "base-001")
	bed.applyYAML(strings.Replace(configMapYAML("base-001", "restored by hand"), "metadata:\n", "metadata:\n  namespace: "+bed.namespace+"\n", 1))
	bed.merge("ConfigMap", "base-001", map[string]any{"metadata": map[string]any{"labels": labels}})
	commit := bed.desire(without(layer, "base-001"))
	bed.run()
	bed.eventuallyReady(commit)
	if bed.get("ConfigMap", "base-001") == nil {
		t.Error("an object with another UID was pruned by its name")
	}
}

func TestLargePruneWaitsForApproval(t *testing.T) {
	bed := newTestbed(t)
	layer := configMapLayer("base", bed.namespace, 8, "x")
	stop := bed.eventuallyReadyAfterRun(layer)
	smaller := without(layer, "base-000", "base-001", "base-002", "base-003", "base-004", "base-005")
	bed.desire(smaller)
	bed.eventuallyCondition(schemas.ConditionPruned, "False", "PendingApproval")
	pending := bed.branch.status().PendingApprovals
	if len(pending) != 1 || pending[0].Objects != 6 || len(pending[0].Sample) != 6 {
		t.Fatalf("pending approvals %+v, want one for 6 objects", pending)
	}
	if owned := bed.owned("ConfigMap"); len(owned) != 8 {
		t.Errorf("%d objects are left before the approval, want all 8", len(owned))
	}
	stop()
	bed.run()
	commit := bed.publish(desiredState{layers: []layerOf{smaller}, approvals: []string{pending[0].Digest}})
	bed.eventuallyReady(commit)
	if diff := cmp.Diff([]string{"base-006", "base-007"}, bed.owned("ConfigMap")); diff != "" {
		t.Errorf("after the approval: %s", diff)
	}
	if pending := bed.branch.status().PendingApprovals; len(pending) != 0 {
		t.Errorf("still pending: %+v", pending)
	}
}

func TestNamespaceIsNeverPrunedWithoutApproval(t *testing.T) {
	bed := newTestbed(t)
	namespace := layerOf{name: "spaces", first: []string{"namespace..extra.yaml"}, objects: map[string]string{
		"namespace..extra.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + bed.namespace + "-extra}\n",
	}}
	base := configMapLayer("base", bed.namespace, 1, "x")
	bed.eventuallyReadyAfterRun(base, namespace)
	bed.desire(base)
	bed.eventuallyCondition(schemas.ConditionPruned, "False", "PendingApproval")
	digest := bed.branch.status().PendingApprovals[0].Digest
	bed.eventuallyReady(bed.publish(desiredState{layers: []layerOf{base}, approvals: []string{digest}}))
	if _, err := bed.resource("Namespace", "").Get(t.Context(), bed.namespace+"-extra", metav1.GetOptions{}); err == nil {
		t.Error("approved namespace is still there")
	}
}

func TestHeldDeletionIsNamed(t *testing.T) {
	bed := newTestbed(t)
	layer := configMapLayer("base", bed.namespace, 2, "x")
	bed.eventuallyReadyAfterRun(layer)
	bed.merge("ConfigMap", "base-001", map[string]any{"metadata": map[string]any{"finalizers": []any{"example.com/hold"}}})
	commit := bed.desire(without(layer, "base-001"))
	pruned := bed.eventuallyCondition(schemas.ConditionPruned, "False", "Pending")
	want := "ConfigMap/" + bed.namespace + "/base-001: is being deleted, held by finalizer example.com/hold"
	bed.eventually(func() string {
		return cmp.Diff(want, conditionOf(bed.branch.status(), schemas.ConditionPruned).Message)
	})
	if bed.branch.status().Applied.Commit != commit {
		t.Errorf("a held deletion kept the commit from being applied: %+v", pruned)
	}
	bed.merge("ConfigMap", "base-001", map[string]any{"metadata": map[string]any{"finalizers": nil}})
	bed.eventuallyReady(commit)
}

func TestMovedObjectIsNotPruned(t *testing.T) {
	bed := newTestbed(t)
	first, second := configMapLayer("first", bed.namespace, 2, "x"), configMapLayer("second", bed.namespace, 1, "x")
	bed.eventuallyReadyAfterRun(first, second)
	uid := bed.get("ConfigMap", "first-001").GetUID()
	second.objects["configmap..first-001.yaml"] = first.objects["configmap..first-001.yaml"]
	bed.eventuallyReady(bed.desire(without(first, "first-001"), second))
	moved := bed.get("ConfigMap", "first-001")
	if moved == nil || moved.GetUID() != uid || moved.GetLabels()[schemas.LayerLabel] != "second" {
		t.Errorf("object that moved to another layer was not kept: %v", moved)
	}
	bed.eventuallyReady(bed.desire(second)) // the first layer is gone
	if diff := cmp.Diff([]string{"first-001", "second-000"}, bed.owned("ConfigMap")); diff != "" {
		t.Errorf("after the first layer is gone: %s", diff)
	}
}

func TestTombstoneEndsManagement(t *testing.T) {
	bed := newTestbed(t)
	layer := configMapLayer("base", bed.namespace, 8, "x")
	bed.eventuallyReadyAfterRun(layer)
	bed.publish(desiredState{tombstone: &schemas.Tombstone{UID: bed.uid, DeletedAt: "2026-01-01T00:00:00Z"}})
	bed.eventuallyCondition(schemas.ConditionReady, "False", "Tombstoned")
	bed.remove("ConfigMap", "base-000")
	bed.branch.set(nil, nil)
	bed.eventuallyCondition(schemas.ConditionFetched, "False", "BranchMissing")
	if owned := bed.owned("ConfigMap"); len(owned) != 7 {
		t.Errorf("%d objects after the end, want the 7 that were left", len(owned))
	}
}
