package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	gosync "sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"branchline.dev/branchline/sync"
)

// fetching is a repository of which only Fetch is used.
type fetching func(context.Context) (*sync.Snapshot, error)

// Fetch is part of Repository.
func (f fetching) Fetch(ctx context.Context, _, _ string) (*sync.Snapshot, error) { return f(ctx) }

// Push is part of Repository.
func (f fetching) Push(context.Context, *sync.Signer, sync.Update) (string, error) {
	return "", errors.New("not used")
}

// secretOf is a Secret that a person may change.
type secretOf struct {
	mu     gosync.Mutex
	config Config
	reads  int
}

func (s *secretOf) set(config Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config = config
}

func (s *secretOf) read(ctx context.Context) (Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return s.config, ctx.Err()
}

// newFollower looks at the old address by old, at any other it finds nothing new.
func newFollower(secret *secretOf, old fetching) *follower {
	return &follower{
		memory: &memory{}, log: slog.New(slog.DiscardHandler), config: secret.config, reload: secret.read,
		jitter: func(d time.Duration) time.Duration { return d }, noticed: func(bool) {},
		connect: func(config Config) Repository {
			if config.Repository == "http://old.example.com/acme.git" {
				return old
			}
			return fetching(func(context.Context) (*sync.Snapshot, error) { return &sync.Snapshot{Unchanged: true}, nil })
		},
	}
}

func oldConfig() Config {
	return Config{Repository: "http://old.example.com/acme.git", Token: tokenCanary, Tenant: testTenant, Cluster: testCluster,
		UID: "u", TrustedKeys: []string{"k1"}, PollInterval: 30 * time.Second}
}

func TestChangedConfigurationIsTakenOverAfterAnyFailure(t *testing.T) {
	for name, old := range map[string]fetching{
		"connection refused": func(context.Context) (*sync.Snapshot, error) {
			return nil, fmt.Errorf("ask: %w", syscall.ECONNREFUSED)
		},
		"no answer": func(ctx context.Context) (*sync.Snapshot, error) {
			<-ctx.Done()
			return nil, fmt.Errorf("ask: %w", ctx.Err())
		},
		"not found": func(context.Context) (*sync.Snapshot, error) {
			return nil, errors.New("the server answers 404 Not Found")
		},
		"branch missing": func(context.Context) (*sync.Snapshot, error) { return nil, sync.ErrRefNotFound },
		"unauthorized":   func(context.Context) (*sync.Snapshot, error) { return nil, sync.ErrUnauthorized },
		"nothing":        func(context.Context) (*sync.Snapshot, error) { return nil, nil },
		"garbage": func(context.Context) (*sync.Snapshot, error) {
			return &sync.Snapshot{Commit: "c", Raw: []byte("garbage")}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				secret := &secretOf{config: oldConfig()}
				f := newFollower(secret, old)
				ended := make(chan struct{})
				go func() { defer close(ended); f.run(ctx) }()
				time.Sleep(time.Hour) // of the bubble's clock
				if _, problem, _ := f.latest(); problem.Reason == "" {
					t.Error("the failure is not reported")
				}
				moved := oldConfig()
				moved.Repository, moved.Token = "http://new.example.com/acme.git", "second"
				moved.TrustedKeys, moved.PollInterval = []string{"k2"}, time.Minute
				secret.set(moved)
				time.Sleep(maxFetchRetry + fetchTimeout + time.Second)
				if got := f.current(); got.Repository != moved.Repository || got.Token != "second" || got.PollInterval != time.Minute {
					t.Errorf("configuration in use is %+v", got)
				}
				if keys := f.memory.get().TrustedKeys; len(keys) != 1 || keys[0] != "k2" {
					t.Errorf("trusted keys are %v", keys)
				}
				f.mu.Lock()
				failure := f.failure
				f.mu.Unlock()
				if failure.Reason != "" {
					t.Errorf("still failing after the move: %+v", failure)
				}
				cancel()
				<-ended
			})
		})
	}
}

func TestSecretIsReadNoMoreOftenThanTheBranch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		secret := &secretOf{config: oldConfig()}
		looks := 0
		f := newFollower(secret, func(context.Context) (*sync.Snapshot, error) {
			looks++
			return nil, syscall.ECONNREFUSED
		})
		ended := make(chan struct{})
		go func() { defer close(ended); f.run(ctx) }()
		time.Sleep(time.Hour)
		cancel()
		<-ended
		if looks > 70 || secret.reads > looks {
			t.Errorf("an hour of failure made %d looks and %d reads of the Secret", looks, secret.reads)
		}
	})
}

// What an error quotes is the token of that attempt, also after another came.
func TestTokenBeforeTheChangeIsNotShown(t *testing.T) {
	secret := &secretOf{config: oldConfig()}
	f := newFollower(secret, func(context.Context) (*sync.Snapshot, error) { return nil, &quotingError{} })
	if err := f.look(t.Context()); err == nil {
		t.Fatal("look succeeded")
	}
	rotated := oldConfig()
	rotated.Token = "second"
	secret.set(rotated)
	if !f.renew(t.Context()) {
		t.Fatal("the other token was not taken over")
	}
	if _, problem, _ := f.latest(); problem.Reason != "Unreachable" || strings.Contains(problem.Message, tokenCanary) {
		t.Errorf("problem %+v shows the token or is lost", problem)
	}
}

func TestConfigurationOfAnotherClusterIsNotTakenOver(t *testing.T) {
	secret := &secretOf{config: oldConfig()}
	f := newFollower(secret, nil)
	other := oldConfig()
	other.Repository, other.UID = "http://new.example.com/acme.git", "another"
	secret.set(other)
	if f.renew(t.Context()) || f.current().Repository != oldConfig().Repository {
		t.Error("an agent took over the configuration of another cluster")
	}
}
