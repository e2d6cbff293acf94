package local

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// nodePlan is what to change of the nodes.
type nodePlan struct {
	create []corev1.Node
	update []corev1.Node // labels, annotation and taints
	resize []corev1.Node // capacity, which is part of the status
	remove []corev1.Node // surplus, highest number first
}

func (p nodePlan) empty() bool {
	return len(p.create)+len(p.update)+len(p.resize)+len(p.remove) == 0
}

// planNodes compares. Live nodes without the pool's label are nobody's business;
// so are labels and taints that the pool neither sets nor set before.
func planNodes(live, want []corev1.Node) nodePlan {
	var plan nodePlan
	byName := map[string]corev1.Node{}
	for _, n := range live {
		byName[n.Name] = n
	}
	wanted := map[string]bool{}
	for _, w := range want {
		wanted[w.Name] = true
		have, exists := byName[w.Name]
		if !exists {
			plan.create = append(plan.create, w)
			continue
		}
		if put := adjusted(have, w); !equality.Semantic.DeepEqual(put, have) {
			plan.update = append(plan.update, put)
		}
		if !equality.Semantic.DeepEqual(have.Status.Capacity, w.Status.Capacity) {
			sized := *have.DeepCopy()
			sized.Status.Capacity, sized.Status.Allocatable = w.Status.Capacity, w.Status.Allocatable
			plan.resize = append(plan.resize, sized)
		}
	}
	for _, n := range live {
		if _, ours := n.Labels[poolLabel]; ours && !wanted[n.Name] && n.DeletionTimestamp == nil {
			plan.remove = append(plan.remove, n)
		}
	}
	slices.SortFunc(plan.remove, func(a, b corev1.Node) int {
		return cmp.Or(cmp.Compare(number(b.Name), number(a.Name)), strings.Compare(b.Name, a.Name))
	})
	return plan
}

// adjusted is the live node with the labels and taints that it must have, and
// without those that it was given before and must not have any more.
func adjusted(have, want corev1.Node) corev1.Node {
	node := *have.DeepCopy()
	var before managed
	// Unreadable means edited by hand: then nothing is known to be ours.
	_ = json.Unmarshal([]byte(have.Annotations[managedAnnotation]), &before)

	if node.Labels == nil {
		node.Labels = map[string]string{}
	}
	for _, key := range before.Labels {
		delete(node.Labels, key)
	}
	maps.Copy(node.Labels, want.Labels)
	if node.Annotations == nil {
		node.Annotations = map[string]string{}
	}
	node.Annotations[managedAnnotation] = want.Annotations[managedAnnotation]

	ours := map[string]corev1.Taint{}
	for _, t := range want.Spec.Taints {
		ours[taintID(t)] = t
	}
	node.Spec.Taints = nil
	for _, t := range have.Spec.Taints {
		id := taintID(t)
		if mine, ok := ours[id]; ok {
			mine.TimeAdded = t.TimeAdded
			node.Spec.Taints = append(node.Spec.Taints, mine)
			delete(ours, id)
		} else if !slices.Contains(before.Taints, id) {
			node.Spec.Taints = append(node.Spec.Taints, t)
		}
	}
	for _, t := range want.Spec.Taints {
		if missing, ok := ours[taintID(t)]; ok {
			node.Spec.Taints = append(node.Spec.Taints, missing)
			delete(ours, taintID(t))
		}
	}
	return node
}

// number is what the name of a node ends in.
func number(name string) int {
	n, _ := strconv.Atoi(name[strings.LastIndexByte(name, '-')+1:])
	return n
}
