package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	gosync "sync"
	"time"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// publisher pushes the newest status, signed, as a commit without parents that
// names the one before. It works beside the passes: a status that cannot be
// pushed never holds back an apply.
type publisher struct {
	config     Config
	memory     *memory
	signer     *sync.Signer
	repository func() Repository
	log        *slog.Logger
	now        func() time.Time
	jitter     func(time.Duration) time.Duration
	heartbeat  time.Duration

	offered chan struct{}
	mu      gosync.Mutex
	newest  *schemas.AgentStatusBody

	due  time.Time                // of the next heartbeat
	tip  string                   // where the status ref is
	last *schemas.AgentStatusBody // what stands there, nil if nothing of this agent
}

const (
	statusDebounce = 200 * time.Millisecond
	pushTimeout    = time.Minute
	pushRetry      = 500 * time.Millisecond
	maxPushRetry   = time.Minute
)

// offer replaces what is to be published next.
func (p *publisher) offer(body schemas.AgentStatusBody) {
	p.mu.Lock()
	p.newest = &body
	p.mu.Unlock()
	select {
	case p.offered <- struct{}{}:
	default: // the publisher is to look already
	}
}

// run publishes each change, and the same again at each heartbeat.
func (p *publisher) run(ctx context.Context) {
	resync, failures := true, 0
	p.postpone()
	for ctx.Err() == nil {
		p.wait(ctx, failures)
		if ctx.Err() != nil {
			return
		}
		beat := !p.now().Before(p.due)
		err := p.publish(ctx, resync, beat)
		switch {
		case err == nil:
			resync, failures = false, 0
		case ctx.Err() == nil:
			p.log.Warn("push status", "error", err)
			resync, failures = true, failures+1
		}
	}
}

func (p *publisher) postpone() { p.due = p.now().Add(p.jitter(p.heartbeat)) }

// wait returns once there may be a change to publish, a failed one to repeat or
// a heartbeat due.
func (p *publisher) wait(ctx context.Context, failures int) {
	if failures > 0 {
		pause(ctx, p.jitter(doubled(pushRetry, failures-1, maxPushRetry)))
		return
	}
	timer := time.NewTimer(p.due.Sub(p.now()))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-p.offered:
		pause(ctx, statusDebounce)
	}
}

func pause(ctx context.Context, duration time.Duration) {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// publish pushes the newest body if it differs from the last, or if forced.
func (p *publisher) publish(ctx context.Context, resync, forced bool) error {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	p.mu.Lock()
	newest := p.newest
	p.mu.Unlock()
	if newest == nil {
		p.postpone()
		return nil
	}
	sequence := p.memory.get().Sequence
	if resync {
		found, err := p.resync(ctx)
		if err != nil {
			return err
		}
		sequence = max(sequence, found)
	}
	next := *newest
	if p.last != nil {
		next.Conditions = stamp(next.Conditions, p.last.Conditions, p.timestamp())
		next.Sequence, next.Previous = p.last.Sequence, p.last.Previous
		if !forced && reflect.DeepEqual(next, *p.last) {
			return nil
		}
	} else {
		next.Conditions = stamp(next.Conditions, nil, p.timestamp())
	}
	next.Sequence, next.Previous = sequence+1, p.tip
	return p.push(ctx, next)
}

func (p *publisher) push(ctx context.Context, body schemas.AgentStatusBody) error {
	document, err := schemas.Marshal(schemas.AgentStatus{
		TypeMeta: schemas.TypeMeta{APIVersion: schemas.APIVersion, Kind: schemas.KindAgentStatus},
		Metadata: schemas.Metadata{Name: p.config.Cluster},
		Status:   body,
	})
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	commit, err := p.repository().Push(ctx, p.signer, sync.Update{
		Ref: schemas.AgentStatusRef(p.config.Cluster), Expect: p.tip,
		Files:   map[string][]byte{schemas.StatusFile: document},
		Message: fmt.Sprintf("status of %s, sequence %d", p.config.Cluster, body.Sequence),
		When:    p.now(),
	})
	if err != nil {
		return fmt.Errorf("push %s: %w", schemas.AgentStatusRef(p.config.Cluster), err)
	}
	p.tip, p.last = commit, &body
	p.postpone()
	err = p.memory.update(ctx, func(s *state) { s.Sequence, s.StatusCommit = body.Sequence, commit })
	if err != nil && ctx.Err() == nil {
		p.log.Warn("status is pushed, its sequence could not be stored", "error", err)
	}
	return nil
}

// resync finds out where the status ref is and continues the sequence that
// stands there, if this agent wrote it: after a restart, and after a push whose
// outcome is unknown.
func (p *publisher) resync(ctx context.Context) (int64, error) {
	snapshot, err := p.repository().Fetch(ctx, schemas.AgentStatusRef(p.config.Cluster), "")
	if errors.Is(err, sync.ErrRefNotFound) {
		p.tip, p.last = "", nil
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", schemas.AgentStatusRef(p.config.Cluster), err)
	}
	p.tip, p.last = snapshot.Commit, nil
	if _, err := sync.VerifyCommit(snapshot.Raw, []string{p.signer.PublicKey()}); err != nil {
		p.log.Warn("the status that stands in the repository was not signed by this agent, it is replaced", "commit", snapshot.Commit)
		return 0, nil
	}
	var found schemas.AgentStatus
	if err := schemas.Unmarshal(snapshot.Files[schemas.StatusFile], &found); err != nil {
		p.log.Warn("the status that stands in the repository is not readable, it is replaced", "commit", snapshot.Commit)
		return 0, nil
	}
	if found.Status.UID != p.config.UID {
		return 0, nil
	}
	p.last = &found.Status
	return found.Status.Sequence, nil
}

func (p *publisher) timestamp() string { return p.now().UTC().Format(time.RFC3339) }
