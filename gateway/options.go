package gateway

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// Options say what a gateway works on. Fields without a default must be set.
type Options struct {
	// Tenant whose clusters these are.
	Tenant string
	// TrustedKeys (authorized_keys format) sign desired commits.
	TrustedKeys []string
	// Source has the desired branches.
	Source Source
	// Sink takes the statuses.
	Sink Sink
	// Providers by type of cloud. A cluster of any other type belongs to
	// another gateway and is left alone.
	Providers map[string]providers.Provider
	// Bootstrap gives a provider what it needs to install a cluster's agent.
	Bootstrap func(cluster schemas.DesiredCluster) providers.AgentBootstrap

	// Interval between looks at the refs and between steps of a cluster at
	// rest (default: 30 s).
	Interval time.Duration
	// Heartbeat is how often an unchanged status is written again (default: 10 min).
	Heartbeat time.Duration
	// StepTimeout ends a provider's step (default: 1 min).
	StepTimeout time.Duration
	// DeletionGrace is how long a removed cluster stays (default: 1 h;
	// negative: not at all). It counts from the time in the tombstone, at the
	// earliest from when the gateway first saw that.
	DeletionGrace time.Duration
	// Concurrency is how many clusters may be in a step at once; one that
	// takes long does not count (default: 16).
	Concurrency int
	// Now is the clock (default: time.Now).
	Now func() time.Time
	// Random gives numbers in [0, 1) that spread retries (default: none are
	// spread). It is called from several goroutines.
	Random func() float64
	// Log (default: none).
	Log *slog.Logger
}

// Source has desired branches.
type Source interface {
	// Tips returns the tip of every desired branch by name of the cluster.
	Tips(ctx context.Context) (map[string]string, error)
	// Commit returns a commit by its full object name.
	Commit(ctx context.Context, id string) (*sync.Commit, error)
	// File returns a file of a commit.
	File(ctx context.Context, commit, path string) ([]byte, error)
}

// Sink keeps the status of each cluster.
type Sink interface {
	// Last returns the newest status of a cluster, the zero Report if there
	// is none. Any failure to find out is an error.
	Last(ctx context.Context, cluster string) (Report, error)
	// Write puts a status in place of the commit expect ("": of none) and
	// returns its commit, or sync.ErrConflict if another status stands there.
	Write(ctx context.Context, cluster, expect string, report Report) (string, error)
}

// Report is an encoded InfraStatus.
type Report struct {
	// Commit that holds it; not set on a report to write.
	Commit string
	// When it was written, to the second.
	When time.Time
	// Subject is a line for people.
	Subject string
	// Data is the content of status.yaml.
	Data []byte
}

// complete fills in the defaults.
func (o Options) complete() (Options, error) {
	switch {
	case o.Tenant == "":
		return o, errors.New("gateway: no tenant given")
	case len(o.TrustedKeys) == 0:
		return o, errors.New("gateway: no trusted keys given: give the renderer's public key")
	case o.Source == nil || o.Sink == nil:
		return o, errors.New("gateway: give both a source and a sink")
	case o.Bootstrap == nil:
		return o, errors.New("gateway: no bootstrap given")
	}
	defaultTo(&o.Interval, 30*time.Second)
	defaultTo(&o.Heartbeat, 10*time.Minute)
	defaultTo(&o.StepTimeout, time.Minute)
	defaultTo(&o.DeletionGrace, time.Hour)
	defaultTo(&o.Concurrency, 16)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = func() float64 { return 0 }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

func defaultTo[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
