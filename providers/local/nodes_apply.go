package local

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// nodesPerStep bounds the changes of one step, so that it stays short.
const nodesPerStep = 100

// applyNodes makes the changes of the plan, as many as one step may. A node that
// changed or went meanwhile is left to the next step.
func (p *plane) applyNodes(ctx context.Context, plan nodePlan) error {
	nodes := p.client.CoreV1().Nodes()
	actions := []struct {
		verb string
		on   []corev1.Node
		do   func(*corev1.Node) error
	}{
		{"create", plan.create, func(n *corev1.Node) error {
			_, err := nodes.Create(ctx, n, metav1.CreateOptions{})
			return err
		}},
		{"update", plan.update, func(n *corev1.Node) error {
			_, err := nodes.Update(ctx, n, metav1.UpdateOptions{})
			return err
		}},
		{"resize", plan.resize, func(n *corev1.Node) error {
			_, err := nodes.UpdateStatus(ctx, n, metav1.UpdateOptions{})
			return err
		}},
		{"delete", plan.remove, func(n *corev1.Node) error {
			return nodes.Delete(ctx, n.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(n.UID))})
		}},
	}
	left := nodesPerStep
	for _, action := range actions {
		for i := range action.on {
			if left == 0 {
				return nil
			}
			left--
			err := action.do(&action.on[i])
			if apierrors.IsConflict(err) || apierrors.IsNotFound(err) || apierrors.IsAlreadyExists(err) {
				continue
			}
			if err != nil {
				return fmt.Errorf("%s node %s: %w", action.verb, action.on[i].Name, err)
			}
		}
	}
	return nil
}

func (p *plane) liveNodes(ctx context.Context) ([]corev1.Node, error) {
	// From the API server's cache: a step that is late by a moment is repeated.
	list, err := p.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return nil, fmt.Errorf("list the nodes of cluster %s: %w", p.state.Cluster, err)
	}
	return list.Items, nil
}

// nodeLeases is the namespace of the leases by which nodes show that they live.
const nodeLeases = "kube-node-lease"

// freeNodes drops the leases that a simulator which has ended still holds: the
// next one plays the kubelet of a node only once it holds the node's lease, and
// would wait for the old one to run out.
func (p *plane) freeNodes(ctx context.Context) error {
	if p.processes.running(kwokName) {
		return nil
	}
	err := p.client.CoordinationV1().Leases(nodeLeases).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("free the nodes of cluster %s: %w", p.state.Cluster, err)
	}
	return nil
}
