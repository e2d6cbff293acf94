package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/google/uuid"

	"branchline.dev/branchline/agent"
	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// round is one agent from its first start, with a cluster name, a namespace and a
// branch of its own.
type round struct {
	bench     *agentBench
	state     desiredState
	commit    string
	token     string // for the API server
	config    string // path of its kubeconfig
	process   *agentProcess
	observer  *observer
	published time.Time // when the newest commit was
}

// startRound installs an agent, starts it and waits until it has applied and
// reported one object: what follows then is its work on objects alone.
func (a *agentBench) startRound(ctx context.Context, number int) (r *round, err error) {
	name := fmt.Sprintf("round-%d", number)
	r = &round{bench: a, config: a.bed.path(name + ".kubeconfig"), state: desiredState{
		cluster: name, uid: uuid.NewString(), namespace: name, key: a.signer.PublicKey(), revisions: []string{"first"},
	}}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.stop())
		}
	}()
	if err := a.plane.addNamespace(ctx, name); err != nil {
		return r, err
	}
	if r.token, err = a.plane.install(ctx, agent.Install{
		Repository: "http://" + a.hub.address + "/" + tenant + ".git", Token: name, Tenant: tenant, Cluster: name, UID: r.state.uid,
		TrustedKeys: []string{a.signer.PublicKey()},
	}); err != nil {
		return r, err
	}
	if err := r.publish(ctx); err != nil {
		return r, err
	}
	if r.observer, err = observe(ctx, a.plane.client, name); err != nil {
		return r, err
	}
	if r.process, err = startAgent(r.config, a.plane.config, r.token); err != nil {
		return r, err
	}
	return r, r.awaitReported(ctx)
}

// publish makes the next commit of the cluster's branch.
func (r *round) publish(ctx context.Context) error {
	r.state.generation++
	files, err := r.state.files()
	if err != nil {
		return err
	}
	update := sync.Update{Ref: schemas.DesiredRef(r.state.cluster), Expect: r.commit, Files: files, Message: commitMessage, When: commitTime()}
	if r.commit != "" {
		update.Parents = []string{r.commit}
	}
	published, err := r.bench.repository.Publish(ctx, r.bench.signer, []sync.Update{update})
	if err != nil {
		return err
	}
	r.published, r.commit = time.Now(), published[0].Commit
	return nil
}

// change publishes, notifies the agent and gives the time from the commit until
// done is seen in the cluster. It returns once the agent has reported.
func (r *round) change(ctx context.Context, what string, done func(map[string]sighting) bool) (time.Duration, error) {
	if err := r.publish(ctx); err != nil {
		return 0, err
	}
	if err := r.process.notify(); err != nil {
		return 0, err
	}
	seen, err := r.observer.until(ctx, what, done)
	if err != nil {
		return 0, err
	}
	return seen.Sub(r.published), r.awaitReported(ctx)
}

// awaitReported waits for a status that says that the newest commit is applied
// and healthy: the agent is at rest then.
func (r *round) awaitReported(ctx context.Context) error {
	return await(ctx, "the agent's status", func() (bool, error) {
		status, err := r.status(ctx)
		if err != nil || status.Applied.Commit != r.commit {
			return false, err
		}
		for _, c := range status.Conditions {
			if c.Type == schemas.ConditionReady {
				return c.Status == "True", nil
			}
		}
		return false, nil
	})
}

// status is the newest that the agent pushed, the zero value before the first.
func (r *round) status(ctx context.Context) (schemas.AgentStatusBody, error) {
	var status schemas.AgentStatus
	tip, err := r.bench.repository.Tip(ctx, schemas.AgentStatusRef(r.state.cluster))
	if errors.Is(err, sync.ErrRefNotFound) {
		return status.Status, nil
	}
	if err != nil {
		return status.Status, err
	}
	data, err := r.bench.repository.File(ctx, tip, schemas.StatusFile)
	if errors.Is(err, fs.ErrNotExist) {
		return status.Status, fmt.Errorf("status of %s: %w", r.state.cluster, err)
	}
	if err != nil {
		return status.Status, err
	}
	return status.Status, schemas.Unmarshal(data, &status)
}

// stop ends the agent and the observation; what is in the cluster stays.
func (r *round) stop() error {
	var err error
	if r.process != nil {
		err = r.process.stop()
		r.process = nil
	}
	if r.observer != nil {
		r.observer.stop()
		r.observer = nil
	}
	return err
}
