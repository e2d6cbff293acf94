package agent

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/ssa/normalize"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"branchline.dev/branchline/schemas"
)

func podsYAML(name, spec, container string) string {
	return fmt.Sprintf(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: %[1]s}, spec: {%[2]s, selector: {matchLabels: {app: %[1]s}},
  template: {metadata: {labels: {app: %[1]s}, creationTimestamp: null}, spec: {containers: [{name: main, image: none, %[3]s}]}}}}
`, name, spec, container)
}

const (
	bothProtocols = "[{name: tcp, port: 53}, {name: udp, port: 53, protocol: UDP}]"
	bothInPod     = "ports: [{name: tcp, containerPort: 53}, {name: udp, containerPort: 53, protocol: UDP}]"
	udpInPod      = "ports: [{name: udp, containerPort: 53, protocol: UDP}]"
	loosely       = "resources: {requests: {cpu: 0.5, memory: 1024Mi}, limits: {cpu: 1000m, memory: 1073741824}}"
)

func serviceYAML(name, ports string) string {
	return fmt.Sprintf("{apiVersion: v1, kind: Service, metadata: {name: %s}, spec: {ports: %s}}\n", name, ports)
}

func secretYAML(name, content string) string {
	return fmt.Sprintf("{apiVersion: v1, kind: Secret, metadata: {name: %s}, %s}\n", name, content)
}

// TestPreparedAgreesWithFlux compares with package normalize of
// fluxcd/pkg/ssa, which the agent does not link (docs/decisions/0008). The
// fields that the library sets besides are defaults, which the API server sets
// itself: TestWhatTheAPIServerFillsInIsNoDrift.
func TestPreparedAgreesWithFlux(t *testing.T) {
	for _, test := range []struct {
		name, object string
		more         []string // fields that differ: the library sets defaults in them
	}{
		{"Secret with texts", secretYAML("s", "data: {a: YWFh}, stringData: {a: b, c: d}"), nil},
		{"Secret with texts alone", secretYAML("s", "stringData: {a: b}"), nil},
		{"Secret with data that is not base64", secretYAML("s", `data: {a: "%"}`), nil},
		{"ConfigMap", configMapYAML("c", "v"), nil},
		{"null fields", "{apiVersion: v1, kind: ConfigMap, metadata: {name: c, annotations: null}, data: null}\n", nil},
		{"null in a custom resource", "{apiVersion: test.branchline.dev/v1, kind: Widget, metadata: {name: w}, spec: {limit: null}}\n", nil},
		{"status", "{apiVersion: test.branchline.dev/v1, kind: Widget, metadata: {name: w}, status: {a: b}}\n", nil},
		{"aggregated ClusterRole", "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r}, aggregationRule: {}}\n", nil},
		{"Service", serviceYAML("s", bothProtocols), []string{"spec.ports"}},
		{"Deployment", podsYAML("d", "replicas: null", bothInPod), []string{"spec.strategy", "spec.template.spec.containers"}},
		{"value of the wrong type", podsYAML("d", "replicas: 1", "env: [{name: A, value: 5}]"), nil},
		{"misspelled field", podsYAML("d", "strategy: {}, replica: 1", "resources: {}"), []string{"spec.replica"}}, // it loses the field
	} {
		t.Run(test.name, func(t *testing.T) {
			gvk, theirs, err := readObject([]byte(test.object))
			if err != nil {
				t.Fatal(err)
			}
			ours, err := desiredObject{GVK: gvk, Content: []byte(test.object), Layer: "l"}.prepare("", "owner")
			if err != nil {
				t.Fatal(err)
			}
			if err := normalize.Unstructured(theirs); err != nil {
				t.Fatal(err)
			}
			theirs.Object["metadata"] = ours.Object["metadata"]
			more := appendAllDifferences(ours, theirs)
			if diff := cmp.Diff(test.more, more); diff != "" {
				t.Errorf("fields that differ (-want +got):\n%s", diff)
			}
		})
	}
}

func appendAllDifferences(ours, theirs *unstructured.Unstructured) []string {
	var fields []string
	for _, key := range slices.Sorted(maps.Keys(union(ours.Object, theirs.Object))) {
		fields = appendDifferences(fields, key, ours.Object[key], theirs.Object[key])
	}
	slices.Sort(fields)
	return fields
}

func TestWhatTheAPIServerFillsInIsNoDrift(t *testing.T) {
	bed := newTestbed(t)
	layer := layerOf{name: "base", namespace: bed.namespace, objects: map[string]string{
		"service.yaml": serviceYAML("dns", bothProtocols),
		"ports.yaml":   podsYAML("ports", "replicas: 0", bothInPod),
		"loosely.yaml": podsYAML("loosely", "replicas: 0", loosely),
		"secret.yaml":  secretYAML("texts", "data: {a: YWFh}, stringData: {b: c}"),
	}}
	stop := bed.eventuallyReadyAfterRun(layer)
	at := bed.versions()
	stop()
	bed.run() // knows the objects from its inventory alone, and looks at each
	bed.eventuallyPolled(10)
	if diff := cmp.Diff(at, bed.versions()); diff != "" {
		t.Errorf("objects were written again although nobody changed them: %s", diff)
	}
	if healed := bed.branch.status().Healed; healed != 0 {
		t.Errorf("%d heals, want none", healed)
	}

	layer.objects["service.yaml"] = serviceYAML("dns", "[{name: udp, port: 53, protocol: UDP}]")
	layer.objects["ports.yaml"] = podsYAML("ports", "replicas: 0", udpInPod)
	layer.objects["secret.yaml"] = secretYAML("texts", "stringData: {a: d}")
	bed.eventuallyReady(bed.desire(layer))
	service, _, _ := unstructured.NestedSlice(bed.get("Service", "dns").Object, "spec", "ports")
	if diff := cmp.Diff([]any{map[string]any{"name": "udp", "port": int64(53), "protocol": "UDP", "targetPort": int64(53)}}, service); diff != "" {
		t.Errorf("ports of the Service: %s", diff)
	}
	containers, _, _ := unstructured.NestedSlice(bed.get("Deployment", "ports").Object, "spec", "template", "spec", "containers")
	if diff := cmp.Diff([]any{map[string]any{"name": "udp", "containerPort": int64(53), "protocol": "UDP"}}, containers[0].(map[string]any)["ports"]); diff != "" {
		t.Errorf("ports of the Deployment: %s", diff)
	}
	data, _, _ := unstructured.NestedMap(bed.get("Secret", "texts").Object, "data")
	if diff := cmp.Diff(map[string]any{"a": "ZA=="}, data); diff != "" {
		t.Errorf("data of the Secret: %s", diff)
	}
}

func TestFieldsWrittenAsNullAreLeftToOthers(t *testing.T) {
	bed := newTestbed(t)
	bed.desire(layerOf{name: "base", namespace: bed.namespace, objects: map[string]string{
		"scaled.yaml": podsYAML("scaled", "replicas: null", "resources: {}"),
	}})
	bed.run()
	bed.eventually(func() string {
		if bed.get("Deployment", "scaled") == nil {
			return "Deployment is missing"
		}
		return ""
	})
	bed.merge("Deployment", "scaled", map[string]any{"spec": map[string]any{"replicas": 3}})
	// A change that is healed shows that the agent saw the one before.
	bed.merge("Deployment", "scaled", map[string]any{"metadata": map[string]any{"labels": map[string]any{schemas.LayerLabel: "x"}}})
	bed.eventually(func() string {
		return cmp.Diff("base", bed.get("Deployment", "scaled").GetLabels()[schemas.LayerLabel])
	})
	if replicas, _, _ := unstructured.NestedInt64(bed.get("Deployment", "scaled").Object, "spec", "replicas"); replicas != 3 {
		t.Errorf("%d replicas, want the 3 that somebody scaled to", replicas)
	}
}

func TestMisspelledFieldIsReported(t *testing.T) {
	bed := newTestbed(t)
	bed.desire(layerOf{name: "base", namespace: bed.namespace, objects: map[string]string{
		"misspelled.yaml": podsYAML("misspelled", "replica: 3", "resources: {}"),
	}})
	bed.run()
	bed.eventually(func() string {
		for _, failing := range bed.branch.status().Failing {
			if failing.Object == "Deployment.apps/"+bed.namespace+"/misspelled" && strings.Contains(failing.Reason, ".spec.replica: ") {
				return ""
			}
		}
		return "the misspelled field is not reported"
	})
	if bed.get("Deployment", "misspelled") != nil {
		t.Error("the object was applied without the field")
	}
}

// versions gives the resource version of everything the agent owns, by kind and name.
func (b *testbed) versions() map[string]string {
	b.t.Helper()
	versions := map[string]string{}
	for _, kind := range []string{"ConfigMap", "Secret", "Service", "Deployment"} {
		list, err := b.resource(kind, b.namespace).List(b.t.Context(), metav1.ListOptions{LabelSelector: schemas.OwnerLabel + "=" + b.uid})
		if err != nil {
			b.t.Fatal(err)
		}
		for _, item := range list.Items {
			versions[kind+"/"+item.GetName()] = item.GetResourceVersion()
		}
	}
	return versions
}

// eventuallyPolled waits until the agent looked at its branch so many more times.
func (b *testbed) eventuallyPolled(times int) {
	b.t.Helper()
	enough := b.branch.fetches() + times
	b.eventually(func() string {
		if b.branch.fetches() < enough {
			return fmt.Sprintf("branch was not polled %d times", times)
		}
		return ""
	})
}
