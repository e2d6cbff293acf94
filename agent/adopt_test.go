package agent

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	gosync "sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"branchline.dev/branchline/schemas"
)

// existing makes a ConfigMap as somebody without Branchline does: by an update
// with kubectl or Helm 3, or by server-side apply with kubectl or Helm 4.
func (b *testbed) existing(name, manager string, operation metav1.ManagedFieldsOperationType, data map[string]any) {
	b.t.Helper()
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name}, "data": data,
	}}
	var err error
	if operation == metav1.ManagedFieldsOperationApply {
		_, err = b.resource("ConfigMap", b.namespace).Apply(b.t.Context(), name, object, metav1.ApplyOptions{FieldManager: manager, Force: true})
	} else {
		_, err = b.resource("ConfigMap", b.namespace).Create(b.t.Context(), object, metav1.CreateOptions{FieldManager: manager})
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *testbed) data(name string) map[string]string {
	b.t.Helper()
	object := b.get("ConfigMap", name)
	if object == nil {
		return nil
	}
	data, _, _ := unstructured.NestedStringMap(object.Object, "data")
	return data
}

func (b *testbed) managers(name string) []string {
	b.t.Helper()
	var names []string
	for _, entry := range b.get("ConfigMap", name).GetManagedFields() {
		names = append(names, entry.Manager)
	}
	slices.Sort(names)
	return names
}

func configMapWith(name string, data map[string]string) string {
	encoded, _ := json.Marshal(data) // a map of strings has always a JSON form
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: %s\n", name, encoded)
}

func TestFieldsOfAdoptedObjectsFollowGit(t *testing.T) {
	bed := newTestbed(t)
	makers := []struct {
		name, manager string
		operation     metav1.ManagedFieldsOperationType
		managers      []string // after the adoption
	}{
		{"applied", "kubectl-client-side-apply", metav1.ManagedFieldsOperationUpdate, []string{fieldManager}},
		{"created", "kubectl-create", metav1.ManagedFieldsOperationUpdate, []string{fieldManager}},
		{"server-side", "kubectl", metav1.ManagedFieldsOperationApply, []string{fieldManager}},
		{"helm-three", "helm", metav1.ManagedFieldsOperationUpdate, []string{fieldManager}},
		{"controller", "some-controller", metav1.ManagedFieldsOperationUpdate, []string{fieldManager, "some-controller"}},
	}
	layer := layerOf{name: "base", namespace: bed.namespace, objects: map[string]string{}}
	want := map[string]string{"changed": "git", "dropped": "same", "never-in-git": "theirs"}
	for _, maker := range makers {
		bed.existing(maker.name, maker.manager, maker.operation,
			map[string]any{"changed": "theirs", "dropped": "same", "never-in-git": "theirs"})
		layer.objects[maker.name+".yaml"] = configMapWith(maker.name, map[string]string{"changed": "git", "dropped": "same"})
	}
	bed.eventuallyReadyAfterRun(layer)
	for _, maker := range makers {
		if diff := cmp.Diff(want, bed.data(maker.name)); diff != "" {
			t.Errorf("%s: adoption changed what Git does not mention: %s", maker.name, diff)
		}
		if diff := cmp.Diff(maker.managers, bed.managers(maker.name)); diff != "" {
			t.Errorf("%s: managers: %s", maker.name, diff)
		}
		layer.objects[maker.name+".yaml"] = configMapWith(maker.name, map[string]string{"changed": "git"})
	}
	bed.eventuallyReady(bed.desire(layer))
	for _, maker := range makers {
		want := map[string]string{"changed": "git", "never-in-git": "theirs"}
		if slices.Contains(maker.managers, maker.manager) {
			want["dropped"] = "same" // it is not a person's tool, and holds on to the field
		}
		if diff := cmp.Diff(want, bed.data(maker.name)); diff != "" {
			t.Errorf("%s: after a field was removed from Git: %s", maker.name, diff)
		}
	}
}

func TestFieldsAddedLaterAreLeftToWhoAddedThem(t *testing.T) {
	bed := newTestbed(t)
	stop := bed.eventuallyReadyAfterRun(configMapLayer("base", bed.namespace, 1, "one"))
	bed.merge("ConfigMap", "base-000", map[string]any{"data": map[string]any{"theirs": "stays"}})
	bed.eventuallyReady(bed.desire(configMapLayer("base", bed.namespace, 1, "two")))
	stop()
	bed.eventuallyReadyAfterRun(configMapLayer("base", bed.namespace, 1, "three"))
	if diff := cmp.Diff(map[string]string{"value": "three", "theirs": "stays"}, bed.data("base-000")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{fieldManager, "kubectl-edit"}, bed.managers("base-000")); diff != "" {
		t.Errorf("managers: %s", diff)
	}
}

func TestKillAtEveryCallOfAnAdoption(t *testing.T) {
	bed := newTestbed(t)
	for at := 1; ; at++ {
		name := fmt.Sprintf("adopted-%d", at)
		bed.existing(name, "kubectl-client-side-apply", metav1.ManagedFieldsOperationUpdate, map[string]any{"dropped": "same", "value": "theirs"})
		layer := layerOf{name: "base", namespace: bed.namespace, objects: map[string]string{
			"a.yaml": configMapWith(name, map[string]string{"dropped": "same", "value": "git"}),
		}}
		killed := bed.runUntilKilled(at, bed.desire(layer))
		stop := bed.eventuallyReadyAfterRun(layer)
		if diff := cmp.Diff([]string{fieldManager}, bed.managers(name)); diff != "" {
			t.Errorf("killed at call %d: managers: %s", at, diff)
		}
		layer.objects["a.yaml"] = configMapWith(name, map[string]string{"value": "git"})
		bed.eventuallyReady(bed.desire(layer))
		stop()
		if diff := cmp.Diff(map[string]string{"value": "git"}, bed.data(name)); diff != "" {
			t.Errorf("killed at call %d: %s", at, diff)
		}
		if !killed {
			return
		}
	}
}

// TestAdoptionDoesNotOverwriteConcurrentWrites has somebody write to the object
// between the agent's reading of it and its adoption.
func TestAdoptionDoesNotOverwriteConcurrentWrites(t *testing.T) {
	bed := newTestbed(t)
	bed.existing("busy", "kubectl-create", metav1.ManagedFieldsOperationUpdate, map[string]any{"value": "theirs"})
	var once gosync.Once
	bed.transport = func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			if request.Header.Get("Content-Type") == "application/json-patch+json" {
				once.Do(func() {
					update := bed.get("ConfigMap", "busy")
					update.Object["data"].(map[string]any)["counter"] = "1"
					if _, err := bed.resource("ConfigMap", bed.namespace).Update(bed.t.Context(), update, metav1.UpdateOptions{FieldManager: "some-controller"}); err != nil {
						bed.t.Error(err)
					}
				})
			}
			return next.RoundTrip(request)
		})
	}
	bed.eventuallyReadyAfterRun(layerOf{name: "base", namespace: bed.namespace, objects: map[string]string{
		"a.yaml": configMapWith("busy", map[string]string{"value": "git"}),
	}})
	if diff := cmp.Diff(map[string]string{"value": "git", "counter": "1"}, bed.data("busy")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{fieldManager, "some-controller"}, bed.managers("busy")); diff != "" {
		t.Errorf("managers: %s", diff)
	}
}

func TestFormerManagers(t *testing.T) {
	got := map[string]bool{}
	for _, manager := range []string{
		"kubectl", "kubectl-client-side-apply", "kubectl-create", "kubectl-edit", "helm", "before-first-apply",
		fieldManager, "kube-controller-manager", "helm-controller", "kubectler", "",
	} {
		got[manager] = isFormerManager(metav1.ManagedFieldsEntry{Manager: manager})
		if isFormerManager(metav1.ManagedFieldsEntry{Manager: manager, Subresource: "scale"}) {
			t.Errorf("%q loses what it wrote to a subresource", manager)
		}
	}
	want := map[string]bool{
		"kubectl": true, "kubectl-client-side-apply": true, "kubectl-create": true, "kubectl-edit": true, "helm": true, "before-first-apply": true,
		fieldManager: false, "kube-controller-manager": false, "helm-controller": false, "kubectler": false, "": false,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestObjectsOfAnotherClusterAreNotAdopted(t *testing.T) {
	bed := newTestbed(t)
	bed.applyYAML(fmt.Sprintf("{apiVersion: v1, kind: ConfigMap, metadata: {name: foreign, namespace: %s, labels: {%s: other}}, data: {value: theirs}}", bed.namespace, schemas.OwnerLabel))
	bed.desire(layerOf{name: "base", namespace: bed.namespace, objects: map[string]string{
		"a.yaml": configMapWith("foreign", map[string]string{"value": "git"}),
	}})
	bed.run()
	bed.eventually(func() string {
		if failing := bed.branch.status().Failing; len(failing) == 0 {
			return "nothing is reported"
		}
		return ""
	})
	if diff := cmp.Diff([]string{"kubectl"}, bed.managers("foreign")); diff != "" {
		t.Errorf("managers: %s", diff)
	}
}
