package gateway

import (
	"context"
	"fmt"
	gosync "sync"
	"time"
)

// Gateway converges all clusters of a tenant.
type Gateway struct {
	options Options
	slots   slots
	kick    chan struct{} // capacity 1: a look at the refs is wanted

	mu       gosync.Mutex
	notified map[string]bool
}

// New checks the options and returns a Gateway that does nothing until Run.
func New(options Options) (*Gateway, error) {
	options, err := options.complete()
	if err != nil {
		return nil, err
	}
	return &Gateway{
		options:  options,
		slots:    make(slots, options.Concurrency),
		kick:     make(chan struct{}, 1),
		notified: map[string]bool{},
	}, nil
}

// Notify says that the desired branch of a cluster has moved, or that there is
// another reason to look at that cluster at once. It never blocks.
func (g *Gateway) Notify(cluster string) {
	g.mu.Lock()
	g.notified[cluster] = true
	g.mu.Unlock()
	nudge(g.kick)
}

// Run converges the clusters that have a desired branch, each on its own, until
// ctx ends. It returns once no step is under way any more; the error is always
// nil. Call it once.
func (g *Gateway) Run(ctx context.Context) error {
	tenders := map[string]*tender{}
	var running gosync.WaitGroup
	defer running.Wait()
	failures := 0
	for {
		delay := spread(g.options.Interval, g.options.Random)
		if err := g.discover(ctx, tenders, &running); err != nil && ctx.Err() == nil {
			// What is known stays in force: a list that fails says of no
			// cluster that it is gone.
			failures++
			delay = min(delay, backoff(failures, g.options.Random))
			g.options.Log.WarnContext(ctx, "desired branches not listed", "error", err.Error(), "retry", delay.String())
		} else {
			failures = 0
		}
		if !pause(ctx, g.kick, delay) {
			return nil
		}
	}
}

// discover looks at the refs, starts to tend new clusters and wakes those whose
// branch moved or that Notify named. Tending a cluster whose branch is gone
// rests.
func (g *Gateway) discover(ctx context.Context, tenders map[string]*tender, running *gosync.WaitGroup) error {
	notified := g.takeNotified()
	listing, cancel := context.WithTimeout(ctx, g.options.StepTimeout)
	defer cancel()
	tips, err := g.options.Source.Tips(listing)
	if err != nil {
		g.giveBack(notified)
		return fmt.Errorf("look for clusters of tenant %s: %w", g.options.Tenant, err)
	}
	for cluster, t := range tenders {
		moved := t.setTip(tips[cluster])
		if moved || notified[cluster] {
			nudge(t.wake)
		}
	}
	for cluster, tip := range tips {
		if tenders[cluster] == nil {
			t := &tender{cluster: cluster, tip: tip, wake: make(chan struct{}, 1)}
			tenders[cluster] = t
			running.Go(func() { g.tend(ctx, t) })
		}
	}
	return nil
}

func (g *Gateway) takeNotified() map[string]bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	notified := g.notified
	g.notified = map[string]bool{}
	return notified
}

func (g *Gateway) giveBack(notified map[string]bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for cluster := range notified {
		g.notified[cluster] = true
	}
}

// nudge leaves a wake-up call in a channel of capacity 1, if none is there yet.
func nudge(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// pause waits until it is woken or the time is over. It returns false when ctx
// ends.
func pause(ctx context.Context, wake <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wake:
	case <-timer.C:
	}
	return ctx.Err() == nil
}
