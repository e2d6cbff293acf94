package hub

import (
	"context"
	"errors"
	"path/filepath"
	stdsync "sync"
	"time"

	"golang.org/x/sync/errgroup"

	"branchline.dev/branchline/gateway"
	"branchline.dev/branchline/sync"
)

// republish is how often main is compared with what is published even if
// nobody pushed: it repairs what a crash between the two has left.
const republish = time.Minute

// tenant is one tenant of a running hub.
type tenant struct {
	hub        *Hub
	name       string
	repository *sync.Repository
	manifests  manifests
	gateway    *gateway.Gateway
	wake       chan struct{}

	rendering stdsync.Mutex // held while main is compared with what is published
	checked   *checked      // the push that was checked last
	done      *checked      // what was published last
}

func (h *Hub) openTenant(ctx context.Context, name string) error {
	repository, err := sync.InitRepository(ctx, filepath.Join(h.options.Data, "tenants", name+".git"))
	if err != nil {
		return err
	}
	t := &tenant{hub: h, name: name, repository: repository, wake: make(chan struct{}, 1)}
	if t.gateway, err = h.newGateway(t); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tenants[name] = t
	return nil
}

// run publishes and converges until ctx ends.
func (t *tenant) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return t.publishLoop(ctx) })
	group.Go(func() error { return t.gateway.Run(ctx) })
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// publishLoop publishes at once after each push. A failure is tried again
// with growing pauses: it can be but passing, since the push was checked.
func (t *tenant) publishLoop(ctx context.Context) error {
	const firstPause = 200 * time.Millisecond
	pause := firstPause
	for {
		wait := republish
		if err := t.publish(ctx); err != nil && ctx.Err() == nil {
			t.hub.log.Error("publishing failed", "tenant", t.name, "error", err, "retry", pause)
			wait, pause = pause, min(2*pause, republish)
		} else {
			pause = firstPause
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.wake:
		case <-time.After(wait):
		}
	}
}

func (t *tenant) wakeUp() {
	select {
	case t.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}
