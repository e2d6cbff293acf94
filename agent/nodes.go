package agent

import (
	"context"
	gosync "sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"branchline.dev/branchline/schemas"
)

// nodes counts the cluster's nodes by a watch of its own, since they carry no
// owner label.
type nodes struct {
	mu      gosync.Mutex
	ready   map[string]bool
	changed chan<- struct{}
}

func newNodes(changed chan<- struct{}) *nodes {
	return &nodes{ready: map[string]bool{}, changed: changed}
}

func (n *nodes) run(ctx context.Context, client dynamic.Interface) {
	resource := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "nodes"})
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return resource.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return resource.Watch(ctx, options)
		},
	}
	cache.NewReflectorWithOptions(source, &unstructured.Unstructured{}, n,
		cache.ReflectorOptions{Name: "nodes"}).RunWithContext(ctx)
}

func (n *nodes) summary() schemas.NodeSummary {
	n.mu.Lock()
	defer n.mu.Unlock()
	summary := schemas.NodeSummary{Total: len(n.ready)}
	for _, ready := range n.ready {
		if ready {
			summary.Ready++
		}
	}
	return summary
}

// Add is part of cache.ReflectorStore.
func (n *nodes) Add(item any) error {
	node, ok := item.(*unstructured.Unstructured)
	if !ok {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	before, existed := n.ready[node.GetName()]
	n.ready[node.GetName()] = nodeReady(node)
	if !existed || before != n.ready[node.GetName()] {
		n.note()
	}
	return nil
}

// Update is part of cache.ReflectorStore.
func (n *nodes) Update(item any) error { return n.Add(item) }

// Delete is part of cache.ReflectorStore.
func (n *nodes) Delete(item any) error {
	if node, ok := item.(*unstructured.Unstructured); ok {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.ready, node.GetName())
		n.note()
	}
	return nil
}

// Replace is part of cache.ReflectorStore.
func (n *nodes) Replace(items []any, _ string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ready = make(map[string]bool, len(items))
	for _, item := range items {
		if node, ok := item.(*unstructured.Unstructured); ok {
			n.ready[node.GetName()] = nodeReady(node)
		}
	}
	n.note()
	return nil
}

// Resync is part of cache.ReflectorStore; there is nothing to do.
func (n *nodes) Resync() error { return nil }

func (n *nodes) note() {
	select {
	case n.changed <- struct{}{}:
	default: // a pass is due already
	}
}

func nodeReady(node *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(node.Object, "status", "conditions")
	for _, item := range conditions {
		if condition, ok := item.(map[string]any); ok && condition["type"] == "Ready" {
			return condition["status"] == "True"
		}
	}
	return false
}
