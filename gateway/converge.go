package gateway

import (
	"context"
	"errors"
	"time"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
)

// Memory is what a gateway keeps of one cluster from step to step. It only
// saves work: with a zero Memory everything is found again.
type Memory struct {
	last    written
	known   bool     // last is what the sink holds
	desired *desired // the newest commit that was verified
	// subject is what is acted on for subjectKey.
	subject    *desired
	subjectKey subjectKey
}

// written is a status that the sink holds; the zero value if it holds none.
type written struct {
	commit string
	when   time.Time
	body   schemas.InfraStatusBody
}

// Converge makes one step for the cluster whose desired branch stands at tip,
// and returns when to make the next: 0 means after the ordinary interval. Steps
// of one cluster must not overlap; each may be the last before the process
// ends.
//
// An error means that the step could not be made or not be reported. What could
// be told of it stands in the status by then.
func Converge(ctx context.Context, o Options, cluster, tip string, m *Memory) (time.Duration, error) {
	o, err := o.complete()
	if err != nil {
		return 0, err
	}
	if err := recall(ctx, o.Sink, cluster, m); err != nil {
		return 0, err
	}
	want, err := readTip(ctx, o, cluster, tip, m)
	if err != nil {
		return 0, reportRefusal(ctx, o, cluster, m, err)
	}
	subject, err := incarnation(ctx, o, cluster, want, m)
	if err != nil {
		return 0, reportRefusal(ctx, o, cluster, m, err)
	}
	provider, ours := o.Providers[subject.infrastructure.Cloud.Type]
	if !ours {
		return 0, nil
	}
	plan, err := decide(subject, m.last.body, o.Now(), o.DeletionGrace)
	if err != nil {
		return 0, reportRefusal(ctx, o, cluster, m, err)
	}
	if err := announce(ctx, o, cluster, m, want, subject, plan); err != nil {
		return 0, err
	}
	seen, stepErr := act(ctx, o, provider, cluster, subject, plan)
	if ctx.Err() != nil {
		return 0, ctx.Err() // stopped, which says nothing of the cluster
	}
	next := progress(m.last.body, want, subject, plan, seen, stepErr, o.Now())
	if err := report(ctx, o, cluster, m, next); err != nil {
		return 0, errors.Join(stepErr, err)
	}
	return requeue(plan, seen, next, want, o.Now()), stepErr
}

// requeue says when to make the next step.
func requeue(p plan, seen providers.Observation, next schemas.InfraStatusBody, want *desired, now time.Time) time.Duration {
	switch {
	case p.action == actWait:
		return p.deadline.Sub(now)
	case next.Phase == schemas.InfraDeleted && next.UID != want.cluster.Spec.UID:
		return time.Second // the way is free for the cluster that replaces it
	}
	return max(seen.RequeueAfter, 0)
}
