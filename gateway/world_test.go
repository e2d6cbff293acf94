package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	gosync "sync"
	"testing"
	"time"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

const (
	tenant = "acme"
	uidA   = "aaaaaaaa-0000-5000-8000-000000000001"
	uidB   = "bbbbbbbb-0000-5000-8000-000000000002"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a tenant's repository on disk, a clock and a cloud, around the part
// under test.
type world struct {
	t        *testing.T
	repo     *sync.Repository
	renderer *sync.Signer
	hub      *sync.Signer
	cloud    *cloud
	faults   *faults
	options  Options
	clock    time.Time
	memory   Memory
}

func newWorld(t *testing.T) *world {
	t.Helper()
	repo, err := sync.InitRepository(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, repo: repo, renderer: newSigner(t), hub: newSigner(t), cloud: newCloud(), clock: start}
	backing := Repository{Repository: repo, Signer: w.hub}
	w.faults = &faults{Source: backing, Sink: backing}
	w.options, err = Options{
		Tenant:      tenant,
		TrustedKeys: []string{w.renderer.PublicKey()},
		Source:      w.faults,
		Sink:        w.faults,
		Providers:   map[string]providers.Provider{"fake": w.cloud},
		Bootstrap: func(schemas.DesiredCluster) providers.AgentBootstrap {
			return providers.AgentBootstrap{IssueToken: func(context.Context) (string, error) { return "token", nil }}
		},
		Now: func() time.Time { return w.clock },
	}.complete()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func newSigner(t *testing.T) *sync.Signer {
	t.Helper()
	signer, err := sync.GenerateSigner(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// desire is what a test's desired commit says.
type desire struct {
	cluster          string
	uid              string
	generation       int64
	cloud            string
	tombstone        string // deletedAt; "" for none
	noInfrastructure bool
	edit             func(*schemas.DesiredCluster)
	editFiles        func(map[string][]byte)
	signer           *sync.Signer
	force            bool // start the branch anew
}

// publish writes a desired commit on top of the branch and returns its name.
func (w *world) publish(d desire) string {
	w.t.Helper()
	d = w.withDefaults(d)
	ref := schemas.DesiredRef(d.cluster)
	tip, err := w.repo.Tip(w.t.Context(), ref)
	if err != nil && !errors.Is(err, sync.ErrRefNotFound) {
		w.t.Fatal(err)
	}
	update := sync.Update{Ref: ref, Expect: tip, Files: desiredFiles(w.t, d), Message: "desired\n", When: start}
	if tip != "" && !d.force {
		update.Parents = []string{tip}
	}
	published, err := w.repo.Publish(w.t.Context(), d.signer, []sync.Update{update})
	if err != nil {
		w.t.Fatal(err)
	}
	return published[0].Commit
}

func (w *world) withDefaults(d desire) desire {
	defaultTo(&d.cluster, "dev")
	defaultTo(&d.uid, uidA)
	defaultTo(&d.generation, 1)
	defaultTo(&d.cloud, "fake")
	defaultTo(&d.signer, w.renderer)
	return d
}

func desiredFiles(t *testing.T, d desire) map[string][]byte {
	t.Helper()
	infrastructure, err := schemas.Marshal(schemas.DesiredInfrastructure{
		TypeMeta: schemas.TypeMeta{APIVersion: schemas.APIVersion, Kind: schemas.KindDesiredInfrastructure},
		Metadata: schemas.Metadata{Name: d.cluster},
		Spec:     schemas.DesiredInfrastructureSpec{Tenant: tenant, UID: d.uid, Cloud: schemas.ResolvedCloud{Type: d.cloud}},
	})
	if err != nil {
		t.Fatal(err)
	}
	manifest := schemas.DesiredCluster{
		TypeMeta: schemas.TypeMeta{APIVersion: schemas.APIVersion, Kind: schemas.KindDesiredCluster},
		Metadata: schemas.Metadata{Name: d.cluster},
		Spec: schemas.DesiredClusterSpec{
			Tenant: tenant, UID: d.uid, Generation: d.generation,
			Source:      schemas.SourceRef{Commit: "0123456789012345678901234567890123456789"},
			Layers:      []schemas.DesiredLayer{},
			TrustedKeys: []string{},
		},
	}
	files := map[string][]byte{}
	if !d.noInfrastructure {
		manifest.Spec.Infrastructure = schemas.DigestOf(infrastructure)
		files[schemas.DesiredInfrastructureFile] = infrastructure
	}
	if d.tombstone != "" {
		manifest.Spec.Tombstone = &schemas.Tombstone{UID: d.uid, DeletedAt: d.tombstone}
	}
	manifest.Spec.Digest = manifest.Spec.ComputeDigest()
	if d.edit != nil {
		d.edit(&manifest)
	}
	if files[schemas.DesiredClusterFile], err = schemas.Marshal(manifest); err != nil {
		t.Fatal(err)
	}
	if d.editFiles != nil {
		d.editFiles(files)
	}
	return files
}

// step converges the cluster dev once.
func (w *world) step() (time.Duration, error) {
	w.t.Helper()
	tips, err := w.options.Source.Tips(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return Converge(w.t.Context(), w.options, "dev", tips["dev"], &w.memory)
}

// mustStep is step for when no error is expected.
func (w *world) mustStep() time.Duration {
	w.t.Helper()
	next, err := w.step()
	if err != nil {
		w.t.Fatal(err)
	}
	return next
}

// restart forgets what only a process knows.
func (w *world) restart() { w.memory = Memory{} }

// status returns the status at the tip of the ref and its commit, checked as
// anyone who reads it would.
func (w *world) status(cluster string) (schemas.InfraStatusBody, string) {
	w.t.Helper()
	ctx := w.t.Context()
	tip, err := w.repo.Tip(ctx, schemas.InfraStatusRef(cluster))
	if errors.Is(err, sync.ErrRefNotFound) {
		return schemas.InfraStatusBody{}, ""
	}
	if err != nil {
		w.t.Fatal(err)
	}
	commit, err := w.repo.Commit(ctx, tip)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := sync.VerifyCommit(commit.Raw, []string{w.hub.PublicKey()}); err != nil {
		w.t.Errorf("a status does not verify: %v", err)
	}
	if len(commit.Parents) != 0 {
		w.t.Errorf("a status has parents: %v", commit.Parents)
	}
	data, err := w.repo.File(ctx, tip, schemas.StatusFile)
	if err != nil {
		w.t.Fatal(err)
	}
	var document schemas.InfraStatus
	if err := schemas.Unmarshal(data, &document); err != nil {
		w.t.Fatal(err)
	}
	if document.Metadata.Name != cluster {
		w.t.Errorf("the status of %s names %s", cluster, document.Metadata.Name)
	}
	return document.Status, tip
}

// condition returns a condition of dev without its message.
func (w *world) condition(kind string) schemas.Condition {
	w.t.Helper()
	body, _ := w.status("dev")
	for _, c := range body.Conditions {
		if c.Type == kind {
			c.Message = ""
			return c
		}
	}
	return schemas.Condition{}
}

// cloud is a provider whose behaviour a test sets. It records the calls.
type cloud struct {
	mu       gosync.Mutex
	calls    []string // "converge dev", "delete dev"
	uids     []string
	converge func(context.Context, providers.Cluster) (providers.Observation, error)
	delete   func(context.Context, providers.Cluster) (providers.Observation, error)
}

func newCloud() *cloud {
	return &cloud{
		converge: func(context.Context, providers.Cluster) (providers.Observation, error) { return ready(), nil },
		delete: func(context.Context, providers.Cluster) (providers.Observation, error) {
			return providers.Observation{Phase: schemas.InfraDeleted}, nil
		},
	}
}

func ready() providers.Observation {
	return providers.Observation{
		Phase: schemas.InfraReady, Endpoint: "https://127.0.0.1:6443", KubernetesVersion: "v1.35.4",
		Nodes:          []schemas.NodeStatus{{Name: "dev-workers-1", Pool: "workers", Phase: "Ready"}},
		AgentPublicKey: "ssh-ed25519 AAAA",
	}
}

func (c *cloud) Converge(ctx context.Context, cluster providers.Cluster) (providers.Observation, error) {
	return c.record("converge ", cluster, c.converge)(ctx, cluster)
}

func (c *cloud) Delete(ctx context.Context, cluster providers.Cluster) (providers.Observation, error) {
	return c.record("delete ", cluster, c.delete)(ctx, cluster)
}

type behaviour = func(context.Context, providers.Cluster) (providers.Observation, error)

func (c *cloud) record(verb string, cluster providers.Cluster, f behaviour) behaviour {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, verb+cluster.Name)
	c.uids = append(c.uids, cluster.Desired.UID)
	return f
}

// take returns the calls since the last time.
func (c *cloud) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls, c.uids = nil, nil
	return calls
}

// faults lets a test fail or watch single calls of the repository.
type faults struct {
	Source
	Sink
	mu     gosync.Mutex
	tips   error
	commit error
	file   error
	last   error
	before func() error // of Write
	after  func() error // of Write
}

func (f *faults) Tips(ctx context.Context) (map[string]string, error) {
	f.mu.Lock()
	err := f.tips
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return f.Source.Tips(ctx)
}

func (f *faults) failTips(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tips = err
}

func (f *faults) Commit(ctx context.Context, id string) (*sync.Commit, error) {
	if f.commit != nil {
		return nil, f.commit
	}
	return f.Source.Commit(ctx, id)
}

func (f *faults) File(ctx context.Context, commit, path string) ([]byte, error) {
	if f.file != nil {
		return nil, f.file
	}
	return f.Source.File(ctx, commit, path)
}

func (f *faults) Last(ctx context.Context, cluster string) (Report, error) {
	if f.last != nil {
		return Report{}, f.last
	}
	return f.Sink.Last(ctx, cluster)
}

func (f *faults) Write(ctx context.Context, cluster, expect string, report Report) (string, error) {
	if f.before != nil {
		if err := f.before(); err != nil {
			return "", err
		}
	}
	commit, err := f.Sink.Write(ctx, cluster, expect, report)
	if err == nil && f.after != nil {
		err = f.after()
	}
	return commit, err
}
