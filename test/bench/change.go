package main

import (
	"context"
	"time"
)

const (
	changeBudget = 300 * time.Millisecond
	changeRounds = 10
)

// measureChange changes one object of many, again and again.
func (a *agentBench) measureChange(ctx context.Context, r *round) (figure, error) {
	const namespace = "raw-again"
	if err := a.plane.addNamespace(ctx, namespace); err != nil {
		return figure{}, err
	}
	if _, err := a.plane.rawApply(ctx, namespace, "first", a.objects); err != nil {
		return figure{}, err
	}
	baseline, err := a.plane.rawApply(ctx, namespace, "second", a.objects)
	if err != nil {
		return figure{}, err
	}
	if err := a.plane.clear(ctx, namespace); err != nil {
		return figure{}, err
	}
	var times []time.Duration
	for i := range a.bed.size(changeRounds, 2) {
		r.state.revisions[i] = "second"
		took, err := r.change(ctx, "one changed object", oneAt(objectName(i), "second"))
		if err != nil {
			return figure{}, err
		}
		times = append(times, took)
	}
	return newFigure("agent.change.1of1k", milliseconds(median(times)), "ms").
		beside(milliseconds(baseline), "raw parallel server-side apply of all objects again").within(milliseconds(changeBudget)), nil
}
