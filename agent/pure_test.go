package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"branchline.dev/branchline/schemas"
)

func TestDeletionBudget(t *testing.T) {
	some := func(count int) []objectID {
		ids := make([]objectID, count)
		for i := range ids {
			ids[i] = objectID{Kind: "ConfigMap", Namespace: "n", Name: fmt.Sprint(i)}
		}
		return ids
	}
	one := func(group, kind string) []objectID { return []objectID{{Group: group, Kind: kind, Name: "x"}} }
	for _, test := range []struct {
		reason    string
		doomed    []objectID
		inventory int
		approvals []string
		want      bool
	}{
		{"nothing", nil, 0, nil, true},
		{"five of five", some(5), 5, nil, true},
		{"six of eight", some(6), 8, nil, false},
		{"ten percent", some(20), 200, nil, true},
		{"more than ten percent", some(21), 200, nil, false},
		{"approved", some(21), 200, []string{deletionDigest(some(21))}, true},
		{"approved in another order", slices.Concat(some(21)[1:], some(1)), 200, []string{deletionDigest(some(21))}, true},
		{"another set approved", some(21), 200, []string{deletionDigest(some(22))}, false},
		{"namespace", one("", "Namespace"), 1000, nil, false},
		{"volume", one("", "PersistentVolume"), 1000, nil, false},
		{"volume claim", one("", "PersistentVolumeClaim"), 1000, nil, false},
		{"stateful set", one("apps", "StatefulSet"), 1000, nil, false},
		{"definition", one("apiextensions.k8s.io", "CustomResourceDefinition"), 1000, nil, false},
		{"definition, approved", one("apiextensions.k8s.io", "CustomResourceDefinition"), 1000,
			[]string{deletionDigest(one("apiextensions.k8s.io", "CustomResourceDefinition"))}, true},
		{"deployment", one("apps", "Deployment"), 1000, nil, true},
	} {
		t.Run(test.reason, func(t *testing.T) {
			allowed, pending := withinBudget(test.doomed, test.inventory, test.approvals)
			if allowed != test.want || (pending == nil) != test.want {
				t.Errorf("allowed is %v with %+v, want %v", allowed, pending, test.want)
			}
			if pending != nil && (pending.Digest != deletionDigest(test.doomed) || pending.Objects != len(test.doomed) || len(pending.Sample) > deletionSamples) {
				t.Errorf("pending approval %+v does not describe the set", pending)
			}
		})
	}
}

func TestPendingApprovalShowsTheWorstFirst(t *testing.T) {
	config := objectID{Kind: "ConfigMap", Namespace: "a", Name: "a"}
	claim := objectID{Kind: "PersistentVolumeClaim", Namespace: "a", Name: "data"}
	volume := objectID{Kind: "PersistentVolume", Name: "disk"}
	stateful := objectID{Group: "apps", Kind: "StatefulSet", Namespace: "a", Name: "db"}
	definition := objectID{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition", Name: "widgets.example.com"}
	namespace := objectID{Kind: "Namespace", Name: "web"}
	many := make([]objectID, 6)
	for i := range many {
		many[i] = objectID{Kind: "ConfigMap", Namespace: "a", Name: fmt.Sprint(i)}
	}
	for _, test := range []struct {
		name      string
		doomed    []objectID
		approvals []string
		reason    string
		sample    []string
	}{
		{"many", many, nil, "6 of 8 objects would be deleted, more than 5 at once",
			[]string{"ConfigMap/a/0", "ConfigMap/a/1", "ConfigMap/a/2", "ConfigMap/a/3", "ConfigMap/a/4", "ConfigMap/a/5"}},
		{"one", []objectID{namespace}, nil, "1 object would be deleted: Namespace/web with everything in it", []string{"Namespace/web"}},
		{"one among many", append(slices.Clone(many[:5]), namespace), nil,
			"6 objects would be deleted, among them Namespace/web with everything in it",
			[]string{"Namespace/web", "ConfigMap/a/0", "ConfigMap/a/1", "ConfigMap/a/2", "ConfigMap/a/3", "ConfigMap/a/4"}},
		{"of every kind", []objectID{config, stateful, volume, claim, definition, namespace}, nil,
			"6 objects would be deleted, among them Namespace/web with everything in it, and 4 more that take data or other objects with them",
			[]string{"Namespace/web", "CustomResourceDefinition.apiextensions.k8s.io/widgets.example.com", "PersistentVolume/disk",
				"PersistentVolumeClaim/a/data", "StatefulSet.apps/a/db", "ConfigMap/a/a"}},
		{"definition", []objectID{config, definition}, nil,
			"2 objects would be deleted, among them CustomResourceDefinition.apiextensions.k8s.io/widgets.example.com with every object of its kind",
			[]string{"CustomResourceDefinition.apiextensions.k8s.io/widgets.example.com", "ConfigMap/a/a"}},
		{"claim", []objectID{claim}, nil, "1 object would be deleted: PersistentVolumeClaim/a/data with its data", []string{"PersistentVolumeClaim/a/data"}},
		{"stateful set", []objectID{stateful}, nil, "1 object would be deleted: StatefulSet.apps/a/db with its pods", []string{"StatefulSet.apps/a/db"}},
		{"another set is approved", []objectID{namespace}, []string{deletionDigest(many)},
			"1 object would be deleted: Namespace/web with everything in it; an approval is given, but for another set of objects", []string{"Namespace/web"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, got := withinBudget(test.doomed, 8, test.approvals)
			want := &schemas.PendingApproval{Digest: deletionDigest(test.doomed), Objects: len(test.doomed), Reason: test.reason, Sample: test.sample}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// However long the names are, a person learns that the approval does not fit.
func TestPendingApprovalWithLongNames(t *testing.T) {
	doomed := make([]objectID, 12_345)
	for i := range doomed {
		doomed[i] = objectID{Group: strings.Repeat("g", 253), Kind: "Widget", Namespace: strings.Repeat("n", 63), Name: fmt.Sprintf("%0253d", i)}
	}
	doomed[9].Group, doomed[9].Kind = "", "PersistentVolumeClaim"
	doomed[5].Group, doomed[5].Kind = "", "PersistentVolumeClaim"
	_, pending := withinBudget(doomed, 12_345, []string{"sha256:old"})
	if end := "; an approval is given, but for another set of objects"; !strings.HasSuffix(clip("waits for approval: "+pending.Reason), end) {
		t.Errorf("the end of the reason is cut off: %s", pending.Reason)
	}
	if len(pending.Sample) != deletionSamples || !strings.HasPrefix(pending.Sample[1], "PersistentVolumeClaim/") {
		t.Errorf("%d samples, the second is %s", len(pending.Sample), pending.Sample[1])
	}
}

func TestLayerOrder(t *testing.T) {
	layer := func(name string, dependsOn ...string) schemas.DesiredLayer {
		return schemas.DesiredLayer{Name: name, Path: "layers/" + name, DependsOn: dependsOn}
	}
	for _, test := range []struct {
		reason string
		layers []schemas.DesiredLayer
		want   []int
		err    string
	}{
		{"none", nil, []int{}, ""},
		{"as given", []schemas.DesiredLayer{layer("a"), layer("b")}, []int{0, 1}, ""},
		{"later first", []schemas.DesiredLayer{layer("a", "c"), layer("b"), layer("c")}, []int{1, 2, 0}, ""},
		{"cycle", []schemas.DesiredLayer{layer("a", "b"), layer("b", "a"), layer("c")}, nil, "layers depend on one another in a cycle: a, b"},
		{"self", []schemas.DesiredLayer{layer("a", "a")}, nil, "layers depend on one another in a cycle: a"},
		{"unknown", []schemas.DesiredLayer{layer("a", "z")}, nil, "layer a depends on z, which does not exist"},
		{"twice", []schemas.DesiredLayer{layer("a"), {Name: "a", Path: "layers/b"}}, nil, "two layers are named a"},
		{"shared folder", []schemas.DesiredLayer{layer("a"), {Name: "b", Path: "layers/a"}}, nil, "layers a and b share the folder layers/a"},
		{"name", []schemas.DesiredLayer{layer("../a")}, nil, `layer name "../a" is not an RFC 1123 label`},
	} {
		t.Run(test.reason, func(t *testing.T) {
			err := checkLayers(test.layers)
			if diff := cmp.Diff(test.err, errorText(err)); diff != "" {
				t.Fatal(diff)
			}
			if err != nil {
				return
			}
			order, err := dependencyOrder(test.layers)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, order); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestObjectsThatAreRefused(t *testing.T) {
	for _, test := range []struct{ content, want string }{
		{"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", ""},
		{"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\n", "holds several documents, write one object a file"},
		{"apiVersion: v1\nkind: List\nmetadata: {name: a}\nitems: []\n", "is a list, write one object a file"},
		{"apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a}\n", "has no metadata.name"},
		{"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ../a}\n", "has a name with a character that no name may have"},
		{"kind: ConfigMap\nmetadata: {name: a}\n", "has no valid apiVersion and kind"},
		{"apiVersion: v1\nmetadata: {name: a}\n", "is not a Kubernetes object: apiVersion or kind is missing"},
		{"", "is not a Kubernetes object: apiVersion or kind is missing"},
		{"[1, 2]\n", "is not a Kubernetes object: apiVersion or kind is missing"},
		{"a: 1\na: 2\n", "is not valid YAML or names a field twice"},
		{"a: {\n", "is not valid YAML or names a field twice"},
		{strings.Repeat("x", maxObjectBytes+1), "larger than 3145728 bytes"},
	} {
		_, _, err := readObject([]byte(test.content))
		if diff := cmp.Diff(test.want, errorText(err)); diff != "" {
			t.Errorf("%.40q: %s", test.content, diff)
		}
	}
}

func TestStatusIsBounded(t *testing.T) {
	long := strings.Repeat("long words ", 1000)
	body := schemas.AgentStatusBody{FailingCount: 5000}
	for i := range 5000 {
		name := fmt.Sprintf("%04d-%s", i, strings.Repeat("n", 58))
		phase := schemas.LayerHealthy
		if i == 4321 {
			phase = schemas.LayerFailed
		}
		body.Layers = append(body.Layers, schemas.LayerStatus{Name: name, Phase: phase, Message: clip(long)})
		body.Failing = append(body.Failing, issue(objectID{Kind: "ConfigMap", Namespace: name, Name: long}, name, long))
		body.Drift = append(body.Drift, body.Failing[i])
	}
	hostile := strings.Repeat("\u2028", 1000) // YAML writes it as an escape
	doomed := make([]objectID, 100)
	for i := range doomed {
		doomed[i] = objectID{Kind: "Namespace", Name: fmt.Sprint(i, hostile)}
	}
	_, pending := withinBudget(doomed, 100, nil)
	body.PendingApprovals = []schemas.PendingApproval{*pending}
	body.Conditions = conditions(nil, &report{failure: long}, body)
	bounded := bounded(body)
	document, err := schemas.Marshal(schemas.AgentStatus{Status: bounded})
	if err != nil {
		t.Fatal(err)
	}
	if len(document) > maxStatus {
		t.Errorf("status has %d bytes, want at most %d", len(document), maxStatus)
	}
	if !slices.ContainsFunc(bounded.Layers, func(l schemas.LayerStatus) bool { return l.Phase == schemas.LayerFailed }) {
		t.Error("the layer that failed was cut off")
	}
	if len(bounded.PendingApprovals[0].Sample) == 0 {
		t.Error("nothing is shown of what would be deleted")
	}
	if bounded.FailingCount != 5000 || len(bounded.Failing) == 0 {
		t.Errorf("%d issues shown of %d", len(bounded.Failing), bounded.FailingCount)
	}
}

func TestConditionsDoNotFlap(t *testing.T) {
	before := []schemas.Condition{{Type: "A", Status: "True", Reason: "x", LastTransitionTime: "t1"}, {Type: "B", Status: "True", LastTransitionTime: "t1"}}
	next := []schemas.Condition{{Type: "A", Status: "True", Reason: "y"}, {Type: "B", Status: "False"}, {Type: "C", Status: "True"}}
	want := []schemas.Condition{
		{Type: "A", Status: "True", Reason: "y", LastTransitionTime: "t1"},
		{Type: "B", Status: "False", LastTransitionTime: "t2"}, {Type: "C", Status: "True", LastTransitionTime: "t2"},
	}
	if diff := cmp.Diff(want, stamp(next, before, "t2")); diff != "" {
		t.Error(diff)
	}
}

func TestInventoryRoundTrip(t *testing.T) {
	for _, count := range []int{0, 3, 10_000} {
		layer := &layerInventory{Order: 4, Entries: map[objectID]entry{}}
		for i := range count {
			layer.set(entry{Version: "v1", Kind: "ConfigMap", Namespace: "n", Name: fmt.Sprintf("object-%d", i),
				UID: fmt.Sprintf("00000000-0000-4000-8000-%012d", i), Hash: hashObject("u", "l", "n", fmt.Append(nil, i))})
		}
		plain, compressed, err := encodeInventory("u", "l", layer)
		if err != nil {
			t.Fatal(err)
		}
		if len(plain)+len(compressed) > 1<<20*3/4 { // base64 adds a third
			t.Errorf("%d objects take %d bytes, too much for a ConfigMap", count, len(plain)+len(compressed))
		}
		document, err := decodeInventory(plain, compressed)
		if err != nil {
			t.Fatal(err)
		}
		back := map[objectID]entry{}
		for _, e := range document.Objects {
			back[e.id()] = e
		}
		if diff := cmp.Diff(layer.Entries, back); diff != "" || document.Order != 4 {
			t.Errorf("%d objects: %s", count, diff)
		}
	}
}

func TestHealthNamesItsReason(t *testing.T) {
	deployment := map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "d", "generation": int64(2)},
		"spec": map[string]any{"replicas": int64(1)}, "status": map[string]any{"observedGeneration": int64(1)},
	}
	got := assess(&unstructured.Unstructured{Object: deployment})
	if got.Ready || !strings.Contains(got.Reason, "generation") {
		t.Errorf("health of a Deployment whose controller is behind: %+v", got)
	}
	got = assess(&unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}})
	if diff := cmp.Diff(health{Ready: true}, got); diff != "" {
		t.Errorf("health of an object without status: %s", diff)
	}
}

func TestDriftNamesFieldsNotValues(t *testing.T) {
	object := func(value string, extra map[string]any) *unstructured.Unstructured {
		content := map[string]any{"data": map[string]any{"password": value}, "status": map[string]any{"x": value}}
		for key, field := range extra {
			content[key] = field
		}
		return &unstructured.Unstructured{Object: content}
	}
	got := describeDrift(object("hunter2", nil), object("secret", map[string]any{"immutable": true}))
	if diff := cmp.Diff("differs in data.password, immutable", got); diff != "" {
		t.Error(diff)
	}
}

func TestConfigReportsEveryMistake(t *testing.T) {
	_, err := parseConfig(map[string]string{"repository": "ssh://x:" + tokenCanary + "@host/r", "token": tokenCanary, "pollInterval": "soon"})
	text := errorText(err)
	for _, want := range []string{"key tenant", "key cluster", "key uid", "key trustedKeys", "key repository", "key pollInterval"} {
		if !strings.Contains(text, want) {
			t.Errorf("error does not name %s: %s", want, text)
		}
	}
	if strings.Contains(text, tokenCanary) {
		t.Errorf("error shows a value: %s", text)
	}
}

func TestRightsAreTheLeast(t *testing.T) {
	manifests, err := Manifests(Install{Repository: "https://git.example.com/acme.git", Token: "t", Tenant: "acme", Cluster: "c", UID: "u", TrustedKeys: []string{"k"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, forbidden := range []string{"impersonate", "nonResourceURLs", "deletecollection", "cluster-admin", "verbs:\n  - '*'"} {
		if strings.Contains(string(manifests), forbidden) {
			t.Errorf("manifests hold %q", forbidden)
		}
	}
}

func FuzzReadObject(f *testing.F) {
	f.Add([]byte(configMapYAML("a", "b")))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: 1}\ndata: []\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		gvk, _, err := readObject(content)
		if err != nil {
			return
		}
		object := desiredObject{GVK: gvk, Content: content, Layer: "l"}
		prepared, err := object.prepare("n", "owner")
		if err != nil {
			t.Fatalf("object was accepted and cannot be prepared: %v", err)
		}
		if prepared.GetLabels()[schemas.OwnerLabel] != "owner" {
			t.Error("prepared object has no owner")
		}
		assess(prepared)
		fingerprint(prepared)
	})
}

func FuzzDecodeInventory(f *testing.F) {
	f.Add("{}", []byte(nil))
	f.Add("", []byte{0x1f, 0x8b})
	f.Fuzz(func(_ *testing.T, plain string, compressed []byte) {
		_, _ = decodeInventory(plain, compressed)
	})
}
