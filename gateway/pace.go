package gateway

import (
	"context"
	gosync "sync"
	"time"
)

const (
	firstRetry = time.Second
	lastRetry  = 2 * time.Minute
	// patience is how long a step may keep its slot to itself.
	patience = 2 * time.Second
)

// slots bound how many clusters are in a step at once. Whoever waits longest is
// next.
type slots chan struct{}

// run does work in a slot. Work that takes longer than patience goes on, but
// lends its slot to the next in line: clusters whose cloud hangs must never be
// able to hold all slots.
func (s slots) run(ctx context.Context, work func()) {
	select {
	case s <- struct{}{}:
	case <-ctx.Done():
		return
	}
	release := gosync.OnceFunc(func() { <-s })
	defer release()
	defer time.AfterFunc(patience, release).Stop()
	work()
}

// backoff is how long to wait after a number of failures in a row: twice as
// long each time, and somewhere in the upper half so that clusters that failed
// together do not return together.
func backoff(failures int, random func() float64) time.Duration {
	d := lastRetry
	if doublings := failures - 1; doublings < 16 {
		d = min(firstRetry<<doublings, lastRetry)
	}
	return d - time.Duration(random()*float64(d)/2)
}

// spread shortens an interval by up to a tenth.
func spread(d time.Duration, random func() float64) time.Duration {
	return d - time.Duration(random()*float64(d)/10)
}
