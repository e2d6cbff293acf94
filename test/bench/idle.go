package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const settled = 5 * time.Second // without a call

// measureIdle restarts the agent through a proxy that sees each of its calls, and
// counts those of a minute in which nothing changes.
func (r *round) measureIdle(ctx context.Context) (f figure, err error) {
	proxy, err := newCallCounter(r.bench.plane.config)
	if err != nil {
		return f, err
	}
	defer proxy.close()
	if err := r.process.stop(); err != nil {
		r.process = nil
		return f, err
	}
	if r.process, err = startAgent(r.config, proxy.config(), r.token); err != nil {
		return f, err
	}
	// The proxy ends before the agent would be stopped by the caller.
	defer func() {
		err = errors.Join(err, r.process.stop())
		r.process = nil
	}()
	if err := r.awaitSettled(ctx, proxy); err != nil {
		return f, err
	}
	minute := time.Duration(r.bench.bed.size(60, 5)) * time.Second
	before := proxy.seen()
	select {
	case <-ctx.Done():
		return f, ctx.Err()
	case <-time.After(minute):
	}
	after := proxy.seen()
	calls := float64(after.calls-before.calls) * float64(time.Minute) / float64(minute)
	return newFigure("agent.idle.calls", calls, "calls a minute").within(0).
		noting(fmt.Sprintf("%d watches were open; %d were opened again in that time", after.watches, after.opened-before.opened)), nil
}

// awaitSettled waits until the agent watches and has stopped asking. An agent
// that never stops is at rest as it is: its calls are what is to be measured.
func (r *round) awaitSettled(ctx context.Context, proxy *callCounter) error {
	calls, since := int64(-1), time.Now()
	deadline := since.Add(30 * time.Second)
	return await(ctx, "the restarted agent's watches", func() (bool, error) {
		now := proxy.seen()
		if now.calls != calls {
			calls, since = now.calls, time.Now()
		}
		quiet := time.Since(since) >= settled || time.Now().After(deadline)
		return now.watches > 0 && quiet, nil
	})
}
