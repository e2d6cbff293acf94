package gateway

import (
	"context"
	gosync "sync"
	"time"
)

// tender looks after one cluster.
type tender struct {
	cluster string
	wake    chan struct{} // capacity 1

	mu  gosync.Mutex
	tip string // "" while there is no desired branch
}

// setTip sets the tip and says whether it is another than before.
func (t *tender) setTip(tip string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	moved := t.tip != tip
	t.tip = tip
	return moved
}

func (t *tender) currentTip() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tip
}

// tend makes one step after the other for a cluster until ctx ends.
func (g *Gateway) tend(ctx context.Context, t *tender) {
	var memory Memory
	failures := 0
	for {
		delay := spread(g.options.Interval, g.options.Random)
		next, err := g.step(ctx, t, &memory)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failures++
			delay = backoff(failures, g.options.Random)
			g.options.Log.WarnContext(ctx, "step failed", "cluster", t.cluster, "error", shorten(err.Error()), "retry", delay.String())
		default:
			failures = 0
			if next > 0 {
				delay = min(delay, next)
			}
		}
		if !pause(ctx, t.wake, delay) {
			return
		}
	}
}

// step makes one step in a slot. Without a desired branch there is none.
// Reading before the provider's step and writing after it are each given as
// long as that.
func (g *Gateway) step(ctx context.Context, t *tender, m *Memory) (next time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*g.options.StepTimeout)
	defer cancel()
	g.slots.run(ctx, func() {
		if tip := t.currentTip(); tip != "" {
			next, err = Converge(ctx, g.options, t.cluster, tip, m)
		}
	})
	return next, err
}
