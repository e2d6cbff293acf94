package local

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"branchline.dev/branchline/schemas"
)

const testVersion = "v1.35.4"

func pool(name string, count int) schemas.NodePool {
	return schemas.NodePool{Name: name, Role: "worker", Count: count}
}

func names(nodes []corev1.Node) []string {
	var names []string
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	return names
}

func TestNodePlan(t *testing.T) {
	edited := func(edit func(*corev1.Node), nodes ...corev1.Node) []corev1.Node {
		for i := range nodes {
			edit(&nodes[i])
		}
		return nodes
	}
	nodes := func(pools ...schemas.NodePool) []corev1.Node { return wantedNodes("shop", pools, testVersion) }
	foreign := corev1.Node{}
	foreign.Name = "somebody-elses-1"

	tests := []struct {
		reason                         string
		live, want                     []corev1.Node
		create, update, resize, remove []string
	}{
		{reason: "nothing to do", live: nodes(pool("a", 2)), want: nodes(pool("a", 2))},
		{reason: "all nodes of a new pool are created in order", want: nodes(pool("a", 1), pool("b", 2)),
			create: []string{"shop-a-1", "shop-b-1", "shop-b-2"}},
		{reason: "surplus goes highest number first, counted as a number", live: nodes(pool("a", 11)), want: nodes(pool("a", 8)),
			remove: []string{"shop-a-11", "shop-a-10", "shop-a-9"}},
		{reason: "a gap is filled", live: nodes(pool("a", 3))[1:], want: nodes(pool("a", 3)), create: []string{"shop-a-1"}},
		{reason: "a pool that is gone takes its nodes along", live: nodes(pool("a", 1), pool("b", 1)), want: nodes(pool("a", 1)),
			remove: []string{"shop-b-1"}},
		{reason: "nodes that others made are left alone", live: []corev1.Node{foreign}},
		{reason: "a removed label is put back", want: nodes(pool("a", 1)), update: []string{"shop-a-1"},
			live: edited(func(n *corev1.Node) { delete(n.Labels, corev1.LabelTopologyZone) }, nodes(pool("a", 1))...)},
		{reason: "another's label and taint stay", want: nodes(pool("a", 1)),
			live: edited(func(n *corev1.Node) {
				n.Labels["team"] = "web"
				n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule})
			}, nodes(pool("a", 1))...)},
		{reason: "a larger machine is a new capacity", live: nodes(pool("a", 1)), resize: []string{"shop-a-1"},
			want: nodes(schemas.NodePool{Name: "a", Count: 1, Role: "worker", Machine: schemas.Machine{CPU: 64}})},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			plan := planNodes(tt.live, tt.want)
			got := [][]string{names(plan.create), names(plan.update), names(plan.resize), names(plan.remove)}
			if diff := cmp.Diff([][]string{tt.create, tt.update, tt.resize, tt.remove}, got); diff != "" {
				t.Errorf("create, update, resize, remove (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLabelsAndTaintsFollowThePool(t *testing.T) {
	before := pool("a", 1)
	before.Labels = map[string]string{"keep": "1", "drop": "1"}
	before.Taints = []schemas.Taint{{Key: "keep", Value: "old", Effect: "NoSchedule"}, {Key: "drop", Effect: "NoExecute"}}
	after := pool("a", 1)
	after.Labels = map[string]string{"keep": "2"}
	after.Taints = []schemas.Taint{{Key: "keep", Value: "new", Effect: "NoSchedule"}, {Key: "added", Effect: "NoSchedule"}}

	live := wantedNodes("shop", []schemas.NodePool{before}, testVersion)
	live[0].Spec.Taints = append(live[0].Spec.Taints, corev1.Taint{Key: "others", Effect: corev1.TaintEffectNoSchedule})
	plan := planNodes(live, wantedNodes("shop", []schemas.NodePool{after}, testVersion))
	if len(plan.update) != 1 {
		t.Fatalf("got %d updates, want 1", len(plan.update))
	}
	node := plan.update[0]
	if _, there := node.Labels["drop"]; there || node.Labels["keep"] != "2" {
		t.Errorf("labels %v: want keep=2 and no drop", node.Labels)
	}
	want := []corev1.Taint{
		{Key: "keep", Value: "new", Effect: corev1.TaintEffectNoSchedule},
		{Key: "others", Effect: corev1.TaintEffectNoSchedule},
		{Key: "added", Effect: corev1.TaintEffectNoSchedule},
	}
	if diff := cmp.Diff(want, node.Spec.Taints); diff != "" {
		t.Errorf("taints (-want +got):\n%s", diff)
	}
	// What was put right stays as it is.
	if again := planNodes(plan.update, wantedNodes("shop", []schemas.NodePool{after}, testVersion)); !again.empty() {
		t.Errorf("a second plan is not empty: %+v", again)
	}
}

func TestManagedAnnotationEditedByHandIsHarmless(t *testing.T) {
	for _, annotation := range []string{"", "{", `{"labels":1}`, `{"labels":["branchline.dev/pool"],"taints":["x:NoSchedule"]}`} {
		live := wantedNodes("shop", []schemas.NodePool{pool("a", 1)}, testVersion)
		live[0].Annotations[managedAnnotation] = annotation
		want := wantedNodes("shop", []schemas.NodePool{pool("a", 1)}, testVersion)
		plan := planNodes(live, want)
		if len(plan.update) != 1 || len(plan.remove)+len(plan.create) != 0 {
			t.Fatalf("annotation %q: got plan %+v, want one update", annotation, plan)
		}
		if diff := cmp.Diff(want[0].Labels, plan.update[0].Labels); diff != "" {
			t.Errorf("annotation %q: labels (-want +got):\n%s", annotation, diff)
		}
	}
}

func TestNodesHaveValidNamesAndReservedLabels(t *testing.T) {
	cluster := strings.Repeat("c", 63)
	p := pool(strings.Repeat("p", 40), 1)
	p.Labels = map[string]string{poolLabel: "forged", corev1.LabelHostname: "forged"}
	node := wantedNodes(cluster, []schemas.NodePool{p}, testVersion)[0]
	if problems := validation.IsDNS1123Subdomain(node.Name); problems != nil {
		t.Errorf("name %q: %v", node.Name, problems)
	}
	for key, value := range node.Labels {
		if problems := validation.IsValidLabelValue(value); problems != nil {
			t.Errorf("label %s=%q: %v", key, value, problems)
		}
	}
	if node.Labels[poolLabel] != p.Name || node.Labels[corev1.LabelHostname] == "forged" {
		t.Errorf("reserved labels were overridden: %v", node.Labels)
	}
}

func TestNodeStatuses(t *testing.T) {
	nodes := wantedNodes("shop", []schemas.NodePool{pool("a", 11)}, testVersion)[8:]
	nodes[0].Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	nodes[1].Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionUnknown}}
	foreign := corev1.Node{}
	foreign.Name, foreign.UID = "somebody-elses", types.UID("x")
	want := []schemas.NodeStatus{
		{Name: "shop-a-9", Pool: "a", Phase: "Ready"},
		{Name: "shop-a-10", Pool: "a", Phase: "NotReady"},
		{Name: "shop-a-11", Pool: "a", Phase: "Pending"},
	}
	if diff := cmp.Diff(want, nodeStatuses(append([]corev1.Node{foreign}, nodes...))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
