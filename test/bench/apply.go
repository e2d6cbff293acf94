package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	applyBudget = 1.3 // times the baseline
	applyRounds = 3
)

// measureApply applies the objects raw and by an agent, in turns. The last agent
// keeps running.
func (a *agentBench) measureApply(ctx context.Context) (last *round, f figure, err error) {
	var raw, agents []time.Duration
	rounds := a.bed.size(applyRounds, 1)
	for number := range rounds {
		took, err := a.rawFirstApply(ctx, number)
		if err != nil {
			return nil, f, err
		}
		raw = append(raw, took)
		r, err := a.startRound(ctx, number)
		if err != nil {
			return nil, f, err
		}
		r.state.revisions = sameRevision(a.objects, "first")
		if took, err = r.change(ctx, "the objects applied by the agent", allAt(a.objects, "first")); err != nil {
			return nil, f, errors.Join(err, r.stop())
		}
		agents = append(agents, took)
		if last = r; number < rounds-1 {
			if err := errors.Join(r.stop(), a.plane.clear(ctx, r.state.namespace)); err != nil {
				return nil, f, err
			}
		}
	}
	baseline := milliseconds(median(raw))
	return last, newFigure("agent.apply.1k", milliseconds(median(agents)), "ms").
		beside(baseline, "raw parallel server-side apply of the same objects").within(applyBudget * baseline), nil
}

func (a *agentBench) rawFirstApply(ctx context.Context, number int) (time.Duration, error) {
	namespace := fmt.Sprintf("raw-%d", number)
	if err := a.plane.addNamespace(ctx, namespace); err != nil {
		return 0, err
	}
	took, err := a.plane.rawApply(ctx, namespace, "first", a.objects)
	if err != nil {
		return 0, err
	}
	return took, a.plane.clear(ctx, namespace)
}
