package agent

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	gosync "sync"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"branchline.dev/branchline/sync"
)

// Options are what Run cannot find in the cluster. Only Kubernetes must be set.
type Options struct {
	// Kubernetes is how to reach the cluster's API server. It is copied.
	Kubernetes *rest.Config
	// Log gets no secret. Default: slog.Default().
	Log *slog.Logger
	// Version of the program, for the status.
	Version string
	// Heartbeat is the time after which an unchanged status is pushed again. Default: 10 minutes.
	Heartbeat time.Duration
	// Nudge makes the agent look at its branch at once for each value received; nil means polling only.
	Nudge <-chan struct{}
	// Connect gives the repository that a configuration names. Default: *sync.Remote.
	Connect func(Config) Repository
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Random makes the agent's key. Default: crypto/rand.
	Random io.Reader
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = 10 * time.Minute
	}
	if o.Connect == nil {
		o.Connect = connect
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = crand.Reader
	}
	return o
}

func connect(config Config) Repository {
	return &sync.Remote{
		URL: config.Repository, User: config.Cluster, Token: config.Token,
		Client: &http.Client{Timeout: fetchTimeout},
	}
}

// Run makes the cluster what its desired branch says until ctx ends, and then
// returns nil. It returns an error only for what no retry can mend: a client
// configuration or a Secret that is wrong.
func Run(ctx context.Context, options Options) error {
	options = options.withDefaults()
	ctx, stop := context.WithCancel(ctx)
	var running gosync.WaitGroup
	defer running.Wait()
	defer stop()

	clients, err := connectCluster(options.Kubernetes)
	if err != nil {
		return err
	}
	found, err := recall(ctx, options, clients.api)
	if err != nil || ctx.Err() != nil {
		return err
	}
	changed := make(chan struct{}, 1)
	r := newReconciler(ctx, options, clients, found, changed)
	passes := &passes{changed: changed}
	publisher := newPublisher(options, found, r.branch.repositoryNow)
	r.publish = publisher.offer
	r.branch.noticed = passes.notice

	running.Go(func() { r.nodes.run(ctx, clients.dynamic) })
	running.Go(func() { r.branch.run(ctx) })
	running.Go(func() { publisher.run(ctx) })
	passes.run(ctx, r.Reconcile)
	return nil
}

type clients struct {
	dynamic   dynamic.Interface
	discovery *discovery.DiscoveryClient
	api       api
}

func connectCluster(config *rest.Config) (clients, error) {
	if config == nil {
		return clients{}, errors.New("no Kubernetes client configuration: name a kubeconfig or run in a cluster")
	}
	config = rest.CopyConfig(config)
	config.QPS = -1 // the API server's own priority and fairness decides
	config.WarningHandler = rest.NoWarnings{}
	config.UserAgent = fieldManager
	dynamicClient, err := dynamic.NewForConfig(config)
	if err != nil {
		return clients{}, fmt.Errorf("make Kubernetes client: %w", err)
	}
	discoveryClient, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return clients{}, fmt.Errorf("make Kubernetes discovery client: %w", err)
	}
	return clients{dynamicClient, discoveryClient, api{dynamicClient}}, nil
}

// recalled is what the agent finds in its namespace when it starts.
type recalled struct {
	config    Config
	signer    *sync.Signer
	memory    *memory
	store     inventoryStore
	inventory inventory
}

// recall reads it, as often as it takes while the API server is out of reach.
func recall(ctx context.Context, options Options, api api) (recalled, error) {
	for failures := 0; ; failures++ {
		found, err := recallOnce(ctx, options, api)
		var wrong *configError
		switch {
		case err == nil, errors.As(err, &wrong):
			return found, err
		case ctx.Err() != nil:
			return found, nil
		}
		options.Log.Warn("start", "error", err)
		pause(ctx, jitter(doubled(200*time.Millisecond, failures, 15*time.Second)))
	}
}

func recallOnce(ctx context.Context, options Options, api api) (recalled, error) {
	var found recalled
	var err error
	if found.config, err = readConfig(ctx, api); err != nil {
		return found, err
	}
	if found.signer, err = loadIdentity(ctx, api, options.Random); err != nil {
		return found, err
	}
	if found.memory, err = loadMemory(ctx, api, found.config); err != nil {
		return found, err
	}
	found.store = inventoryStore{api: api, cluster: found.config.UID, log: options.Log}
	found.inventory, err = found.store.load(ctx)
	return found, err
}

func newReconciler(ctx context.Context, options Options, clients clients, found recalled, changed chan struct{}) *Reconciler {
	live := newLive(changed)
	r := &Reconciler{
		config: found.config, now: options.Now, log: options.Log, version: options.Version,
		api: clients.api, kinds: &kinds{client: clients.discovery}, live: live,
		watcher: newWatcher(ctx, clients.dynamic, live, options.Log),
		nodes:   newNodes(changed), memory: found.memory, store: found.store, inventory: found.inventory,
		tracked: map[objectID]tracked{}, opened: map[string]bool{},
	}
	for _, layer := range found.inventory {
		for id, e := range layer.Entries {
			r.tracked[id] = tracked{Applied: e.Hash}
		}
	}
	r.branch = &follower{
		memory: found.memory, log: options.Log, jitter: jitter, nudge: options.Nudge,
		connect: options.Connect, config: found.config,
		reload: func(ctx context.Context) (Config, error) { return readConfig(ctx, clients.api) },
	}
	return r
}

func newPublisher(options Options, found recalled, repository func() Repository) *publisher {
	return &publisher{
		config: found.config, memory: found.memory, signer: found.signer, repository: repository,
		log: options.Log, now: options.Now, jitter: jitter, heartbeat: options.Heartbeat,
		offered: make(chan struct{}, 1),
	}
}

// jitter spreads agents that were started together: ±10 %.
func jitter(duration time.Duration) time.Duration {
	return time.Duration(float64(duration) * (0.9 + 0.2*rand.Float64()))
}

// passes runs one pass after another, each as soon as there is a reason to.
type passes struct {
	changed chan struct{}
	mu      gosync.Mutex
	cancel  context.CancelFunc // of the pass that runs
}

// gather is how long a pass waits for more events of the same burst.
const gather = 10 * time.Millisecond

func (p *passes) run(ctx context.Context, pass func(context.Context) time.Duration) {
	for ctx.Err() == nil {
		passing, cancel := context.WithCancel(ctx)
		p.mu.Lock()
		p.cancel = cancel
		p.mu.Unlock()
		again := pass(passing)
		cancel()
		p.wait(ctx, again)
	}
}

func (p *passes) wait(ctx context.Context, again time.Duration) {
	var due <-chan time.Time
	if again > 0 {
		timer := time.NewTimer(again)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
	case <-due:
	case <-p.changed:
		pause(ctx, gather)
	}
}

// notice starts a pass. A newer commit ends the one that runs.
func (p *passes) notice(newer bool) {
	if newer {
		p.mu.Lock()
		if p.cancel != nil {
			p.cancel()
		}
		p.mu.Unlock()
	}
	select {
	case p.changed <- struct{}{}:
	default: // a pass is due already
	}
}

var errRetired = fmt.Errorf("%w: its key was retired by a later commit", sync.ErrUntrusted)
