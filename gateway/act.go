package gateway

import (
	"context"
	"fmt"
	"runtime/debug"

	"branchline.dev/branchline/providers"
)

// act performs a plan: at most one call of the provider, bounded in time. A
// panic in a provider is that cluster's trouble and no other's.
func act(ctx context.Context, o Options, provider providers.Provider, cluster string, subject *desired, p plan) (seen providers.Observation, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.StepTimeout)
	defer cancel()
	defer func() {
		if cause := recover(); cause != nil {
			o.Log.ErrorContext(ctx, "provider panicked", "cluster", cluster, "panic", cause, "stack", string(debug.Stack()))
			err = fmt.Errorf("the provider failed on a fault of its own: %v", cause)
		}
	}()
	input := providers.Cluster{Name: cluster, Desired: *subject.infrastructure}
	switch p.action {
	case actConverge:
		input.Agent = o.Bootstrap(subject.cluster)
		if seen, err = provider.Converge(ctx, input); err != nil {
			return seen, fmt.Errorf("converge cluster %s: %w", cluster, err)
		}
	case actDelete:
		if seen, err = provider.Delete(ctx, input); err != nil {
			return seen, fmt.Errorf("delete cluster %s: %w", cluster, err)
		}
	case actWait, actNothing:
	}
	return seen, nil
}
