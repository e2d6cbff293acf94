package agent

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"branchline.dev/branchline/schemas"
)

const widgetCRD = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.test.branchline.dev}
spec:
  group: test.branchline.dev
  names: {kind: Widget, plural: widgets}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

const widget = "apiVersion: test.branchline.dev/v1\nkind: Widget\nmetadata: {name: w}\nspec: {size: 3}\n"

// A Deployment without kubelets never becomes available: a layer that stays
// unhealthy until its status is written by hand.
func deploymentYAML(name string) string {
	return `apiVersion: apps/v1
kind: Deployment
metadata: {name: ` + name + `}
spec:
  replicas: 1
  selector: {matchLabels: {app: ` + name + `}}
  template:
    metadata: {labels: {app: ` + name + `}}
    spec: {containers: [{name: c, image: none}]}
`
}

func (b *testbed) removeWidgets() {
	b.t.Helper()
	_ = b.resource("CustomResourceDefinition", "").Delete(b.t.Context(), "widgets.test.branchline.dev", metav1.DeleteOptions{})
	b.eventually(func() string {
		_, err := b.resource("CustomResourceDefinition", "").Get(b.t.Context(), "widgets.test.branchline.dev", metav1.GetOptions{})
		if err == nil {
			return "definition is still there"
		}
		return ""
	})
}

func TestDefinitionsComeFirst(t *testing.T) {
	bed := newTestbed(t)
	bed.removeWidgets()
	space := bed.namespace + "-made"
	commit := bed.desire(layerOf{
		name: "all", namespace: space, first: []string{"crd.yaml", "namespace.yaml"},
		objects: map[string]string{
			"a-widget.yaml": widget, "crd.yaml": widgetCRD,
			"namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + space + "}\n",
			"role.yaml":      "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: " + space + ", namespace: ignored}\nrules: [{nonResourceURLs: [\"/x\"], verbs: [get]}]\n",
		},
	})
	bed.run()
	bed.eventuallyReady(commit)
	if _, err := bed.resource("Widget", space).Get(t.Context(), "w", metav1.GetOptions{}); err != nil {
		t.Errorf("object of the new kind: %v", err)
	}
}

func TestMissingKindHoldsBackOnlyWhatNeedsIt(t *testing.T) {
	bed := newTestbed(t)
	bed.removeWidgets()
	widgets := configMapLayer("widgets", bed.namespace, 1, "x")
	widgets.objects["widget.yaml"] = widget
	after := configMapLayer("after", bed.namespace, 1, "x")
	after.dependsOn = []string{"widgets"}
	other := configMapLayer("other", bed.namespace, 1, "x")
	commit := bed.desire(widgets, after, other)
	bed.run()
	bed.eventually(func() string {
		return cmp.Diff([]string{"other-000", "widgets-000"}, bed.owned("ConfigMap"))
	})
	condition := bed.eventuallyCondition(schemas.ConditionApplied, "False", "Failed")
	if want := "missing kind Widget in test.branchline.dev/v1, is its CRD in an earlier layer?"; !strings.Contains(condition.Message, want) {
		t.Errorf("message %q does not say %q", condition.Message, want)
	}
	bed.applyYAML(widgetCRD) // by somebody else, so that only trying again finds it
	bed.eventuallyReady(commit)
	bed.removeWidgets()
}

func TestLayersOpenInOrderAndNewCommitPreempts(t *testing.T) {
	bed := newTestbed(t)
	slow := layerOf{name: "slow", namespace: bed.namespace, objects: map[string]string{"deployment.yaml": deploymentYAML("slow")}}
	after := configMapLayer("after", bed.namespace, 1, "x")
	after.dependsOn = []string{"slow"}
	other := configMapLayer("other", bed.namespace, 1, "x")
	bed.desire(slow, after, other)
	bed.run()
	bed.eventuallyCondition(schemas.ConditionHealthy, "False", "Progressing")
	bed.eventually(func() string { return cmp.Diff([]string{"other-000"}, bed.owned("ConfigMap")) })
	bed.eventually(func() string {
		var phases []string
		for _, layer := range bed.branch.status().Layers {
			phases = append(phases, layer.Name+" "+string(layer.Phase))
		}
		return cmp.Diff([]string{"slow Progressing", "after Waiting", "other Healthy"}, phases)
	})
	// The next commit mends the layer that never gets healthy.
	slow.objects = map[string]string{"deployment.yaml": strings.Replace(deploymentYAML("slow"), "replicas: 1", "replicas: 0", 1)}
	commit := bed.desire(slow, after, other)
	bed.eventuallyReady(commit)
	if diff := cmp.Diff([]string{"after-000", "other-000"}, bed.owned("ConfigMap")); diff != "" {
		t.Error(diff)
	}
}

func TestWaitingLayerIsKeptInRepair(t *testing.T) {
	bed := newTestbed(t)
	slow := configMapLayer("slow", bed.namespace, 1, "x")
	after := configMapLayer("after", bed.namespace, 2, "one")
	after.dependsOn = []string{"slow"}
	bed.eventuallyReadyAfterRun(slow, after)
	slow.objects["deployment.yaml"] = deploymentYAML("slow")
	after.objects["configmap..after-000.yaml"] = configMapYAML("after-000", "two")
	bed.desire(slow, after)
	bed.eventuallyCondition(schemas.ConditionHealthy, "False", "Progressing")
	bed.remove("ConfigMap", "after-001")
	bed.eventually(func() string { return cmp.Diff("one", bed.value("after-001")) })
	if value := bed.value("after-000"); value != "one" {
		t.Errorf("value is %q: the new state was applied before the layer was open", value)
	}
}

func TestFailedObjectIsReportedAndMended(t *testing.T) {
	bed := newTestbed(t)
	layer := configMapLayer("base", bed.namespace, 2, "x")
	layer.objects["service.yaml"] = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 99999}]}\n"
	bed.desire(layer)
	bed.run()
	condition := bed.eventuallyCondition(schemas.ConditionReady, "False", "Failed")
	if !strings.Contains(condition.Message, "Service/"+bed.namespace+"/s") {
		t.Errorf("message %q does not name the object", condition.Message)
	}
	bed.eventually(func() string { return cmp.Diff([]string{"base-000", "base-001"}, bed.owned("ConfigMap")) })
	layer.objects["service.yaml"] = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n"
	bed.eventuallyReady(bed.desire(layer))
}

func TestImmutableFieldIsReportedNotDeleted(t *testing.T) {
	bed := newTestbed(t)
	layer := layerOf{name: "base", namespace: bed.namespace, objects: map[string]string{
		"d.yaml": strings.Replace(deploymentYAML("d"), "replicas: 1", "replicas: 0", 1),
	}}
	bed.eventuallyReadyAfterRun(layer)
	uid := bed.get("Deployment", "d").GetUID()
	layer.objects = map[string]string{"d.yaml": strings.ReplaceAll(layer.objects["d.yaml"], "app: d", "app: e")}
	bed.desire(layer)
	condition := bed.eventuallyCondition(schemas.ConditionReady, "False", "Failed")
	if !strings.Contains(condition.Message, "immutable") {
		t.Errorf("message %q does not say what is immutable", condition.Message)
	}
	if object := bed.get("Deployment", "d"); object == nil || object.GetUID() != uid {
		t.Error("the object was deleted")
	}
}

func TestForeignObjectIsRefused(t *testing.T) {
	bed := newTestbed(t)
	bed.applyYAML(strings.Replace(configMapYAML("base-000", "theirs"), "metadata:\n",
		"metadata:\n  namespace: "+bed.namespace+"\n  labels: {"+schemas.OwnerLabel+": other-cluster}\n", 1))
	bed.applyYAML(strings.Replace(configMapYAML("base-001", "nobody's"), "metadata:\n", "metadata:\n  namespace: "+bed.namespace+"\n", 1))
	bed.desire(configMapLayer("base", bed.namespace, 2, "ours"))
	bed.run()
	condition := bed.eventuallyCondition(schemas.ConditionApplied, "False", "Failed")
	if !strings.Contains(condition.Message, "other-cluster") {
		t.Errorf("message %q does not name the owner", condition.Message)
	}
	bed.eventually(func() string { return cmp.Diff("theirs ours", bed.value("base-000")+" "+bed.value("base-001")) })
}

func TestAgentsOwnMemoryIsOutOfReach(t *testing.T) {
	bed := newTestbed(t)
	bed.desire(layerOf{name: "base", namespace: schemas.AgentNamespace, objects: map[string]string{
		"state.yaml": configMapYAML(stateName, "reset"),
	}})
	bed.run()
	condition := bed.eventuallyCondition(schemas.ConditionApplied, "False", "Failed")
	if !strings.Contains(condition.Message, "belongs to the agent") {
		t.Errorf("message is %q", condition.Message)
	}
	state, err := bed.resource("ConfigMap", schemas.AgentNamespace).Get(t.Context(), stateName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, reset, _ := unstructured.NestedString(state.Object, "data", "value"); reset {
		t.Error("desired state wrote to the agent's memory")
	}
}
