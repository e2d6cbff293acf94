package agent

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	gosync "sync"
	"time"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// Repository is the tenant's repository as far as an agent may see it.
// *sync.Remote is one.
type Repository interface {
	Fetch(ctx context.Context, ref, known string) (*sync.Snapshot, error)
	Push(ctx context.Context, signer *sync.Signer, update sync.Update) (string, error)
}

// follower looks at the desired branch again and again and keeps the newest
// commit that passed verification. Whatever goes wrong, it keeps the one before.
type follower struct {
	memory *memory
	log    *slog.Logger
	jitter func(time.Duration) time.Duration
	nudge  <-chan struct{}
	// connect gives the repository with the credentials of config.
	connect func(Config) Repository
	// reload reads the configuration again, for what a person changed in it.
	reload func(context.Context) (Config, error)
	// noticed is called whenever there is something new to take into account.
	noticed func(newer bool)

	mu         gosync.Mutex
	config     Config
	repository Repository
	seen       string // commit of the last snapshot, trusted or not
	trusted    *revision
	verdict    error        // on the last snapshot
	failure    fetchProblem // of the last look, worded with the token it used
	looked     bool
}

const (
	fetchRetry    = time.Second
	maxFetchRetry = time.Minute
	fetchTimeout  = 2 * time.Minute
)

// run looks at once, then every poll interval, or later and later while it fails.
func (f *follower) run(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		interval := f.current().PollInterval
		err := f.look(ctx)
		if f.troubled() && f.renew(ctx) {
			failures = 0
			continue // what was wrong may be right now
		}
		if err != nil {
			interval = doubled(min(fetchRetry, interval), failures, max(maxFetchRetry, interval))
			failures++
		} else {
			failures = 0
		}
		timer := time.NewTimer(f.jitter(interval))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-f.nudge:
		}
		timer.Stop()
	}
}

// look fetches once. It returns an error only if the branch could not be read.
func (f *follower) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	config, repository, known := f.start()
	snapshot, err := repository.Fetch(ctx, schemas.DesiredRef(config.Cluster), known)
	if err == nil && snapshot == nil {
		err = errors.New("the repository answered nothing")
	}
	if err != nil {
		if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			f.finish(nil, nil, err)
		}
		return err
	}
	if snapshot.Unchanged {
		f.finish(nil, nil, nil)
		return nil
	}
	candidate, verdict := verify(snapshot, f.memory.trust(config))
	f.finish(&seenCommit{snapshot.Commit, verdict}, candidate, nil)
	return nil
}

// troubled is true while the newest state of the branch is not in use. Whatever
// the reason, a person may have put another address, token or key into the Secret.
func (f *follower) troubled() bool {
	_, problem, _ := f.latest()
	return problem.Reason != ""
}

type seenCommit struct {
	commit  string
	verdict error
}

func (f *follower) start() (Config, Repository, string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.repository == nil {
		f.repository = f.connect(f.config)
	}
	return f.config, f.repository, f.seen
}

// finish keeps the outcome of a look and tells whoever waits for it.
func (f *follower) finish(seen *seenCommit, candidate *revision, failure error) {
	f.mu.Lock()
	before := f.problemLocked()
	first := !f.looked
	f.looked, f.failure = true, f.failureLocked(failure)
	newer := false
	if seen != nil {
		f.seen, f.verdict = seen.commit, seen.verdict
		newer = candidate != nil && (f.trusted == nil || f.trusted.Commit != candidate.Commit)
		if newer {
			f.trusted = candidate
		}
	}
	after := f.problemLocked()
	f.mu.Unlock()
	if before != after && after.Reason != "" {
		f.log.Warn("desired branch is not used", "reason", after.Reason, "message", after.Message)
	}
	if newer || before != after || first {
		f.noticed(newer)
	}
}

// renew takes over address, credentials, trusted keys and interval from the
// Secret and says whether they were other ones than those in use. It has a time
// limit of its own: what it mends may have used up the look's.
func (f *follower) renew(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	config, err := f.reload(ctx)
	if err != nil {
		if !errors.Is(err, context.Canceled) { // the end of the agent
			f.log.Warn("read configuration again", "error", err)
		}
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if reflect.DeepEqual(config, f.config) {
		return false
	}
	if config.Tenant != f.config.Tenant || config.Cluster != f.config.Cluster || config.UID != f.config.UID {
		f.log.Error("configuration now names another cluster: restart the agent to take it over")
		return false
	}
	f.log.Info("configuration changed and is taken over", "secret", schemas.AgentConfigSecret)
	f.config, f.repository = config, nil
	f.memory.configure(config)
	f.seen = "" // other keys may judge otherwise
	return true
}

func (f *follower) current() Config {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.config
}

// repositoryNow is what the status is pushed to.
func (f *follower) repositoryNow() Repository {
	_, repository, _ := f.start()
	return repository
}

// latest gives the newest trusted revision, nil if there is none yet, and what
// stands in the way of a newer one.
func (f *follower) latest() (*revision, fetchProblem, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.trusted, f.problemLocked(), f.looked
}

// retract takes back a revision that turned out older than what is trusted by
// now: another commit was accepted between its verification and its use.
func (f *follower) retract(commit string, why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.trusted != nil && f.trusted.Commit == commit {
		f.trusted, f.verdict = nil, why
	}
}
