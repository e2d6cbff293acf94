package main

import (
	"context"
	"errors"
	"fmt"

	"branchline.dev/branchline/sync"
)

const agentMemoryBudget = 50 // MiB

// agentBench is a control plane and a hub's endpoint for agents.
type agentBench struct {
	bed        bed
	plane      *plane
	hub        *server
	repository *sync.Repository
	signer     *sync.Signer
	objects    int
}

// measureAgent runs the agent's own program against a real control plane. The
// first applies are repeated with a new agent each; what follows a first apply is
// measured with the last one.
func measureAgent(ctx context.Context, b bed) (figures []figure, err error) {
	a, err := openAgentBench(ctx, b)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.close(context.WithoutCancel(ctx))) }()
	last, apply, err := a.measureApply(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, last.stop()) }()
	afterApply, err := last.process.resident()
	if err != nil {
		return nil, err
	}
	change, err := a.measureChange(ctx, last)
	if err != nil {
		return nil, err
	}
	heal, err := last.measureHeal(ctx)
	if err != nil {
		return nil, err
	}
	afterAll, err := last.process.resident()
	if err != nil {
		return nil, err
	}
	idle, err := last.measureIdle(ctx)
	if err != nil {
		return nil, err
	}
	memory := newFigure("agent.rss.1k", max(afterApply, afterAll), "MiB").within(agentMemoryBudget).
		noting(fmt.Sprintf("%.1f MiB after the first apply, %.1f MiB after the changes and repairs", afterApply, afterAll))
	return []figure{apply, change, heal, idle, memory}, nil
}

func openAgentBench(ctx context.Context, b bed) (a *agentBench, err error) {
	a = &agentBench{bed: b, objects: b.size(1000, 50)}
	if a.signer, err = newSigner(); err != nil {
		return nil, err
	}
	if a.repository, err = sync.InitRepository(ctx, b.path("hub.git")); err != nil {
		return nil, err
	}
	hook, err := program("branchline")
	if err != nil {
		return nil, err
	}
	if a.hub, err = startServer(roleHub, a.repository.Dir(), hook); err != nil {
		return nil, err
	}
	if a.plane, err = startPlane(ctx, b); err != nil {
		return nil, errors.Join(err, a.hub.stop())
	}
	return a, nil
}

func (a *agentBench) close(ctx context.Context) error {
	return errors.Join(a.plane.Stop(ctx), a.hub.stop())
}
