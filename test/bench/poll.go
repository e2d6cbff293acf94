package main

import (
	"context"
	"errors"

	"branchline.dev/branchline/sync"
)

const pollBytesBudget = 600

// measurePoll looks at a branch that has not moved, again and again over one
// connection.
func measurePoll(ctx context.Context, b bed, f *fleet) ([]figure, error) {
	polls := b.size(100, 10)
	bytes, used, err := f.poll(ctx, f.ownClient, f.hub, f.hubWire, polls)
	if err != nil {
		return nil, err
	}
	_, plain, err := f.poll(ctx, f.gitClient, f.plain, f.plainWire, polls)
	if err != nil {
		return nil, err
	}
	listed, err := f.plainWire.counted(func() error {
		_, err := git(ctx, "", nil, "ls-remote", f.plainWire.url(), f.desired.Ref)
		return err
	})
	if err != nil {
		return nil, err
	}
	spawned := used.ChildFaults > 0
	note := "the budget is that no process is spawned; none was"
	if spawned {
		note = "the budget is that no process is spawned; each poll ran git"
	}
	return []figure{
		newFigure("sync.poll.bytes", bytes/float64(polls), "B").beside(listed, "git ls-remote of the same ref").within(pollBytesBudget),
		newFigure("sync.poll.cpu", each(used.cpu(), polls), "ms").
			beside(each(plain.cpu(), polls), "the same poll through git http-backend").judged(!spawned).noting(note),
	}, nil
}

func (f *fleet) poll(ctx context.Context, client *sync.Remote, server *server, wire *meter, polls int) (bytes float64, used usage, err error) {
	poll := func() error {
		snapshot, err := client.Fetch(ctx, f.desired.Ref, f.tip)
		if err == nil && !snapshot.Unchanged {
			err = errors.New("poll: the branch has moved although nobody moved it")
		}
		return err
	}
	if err := poll(); err != nil { // opens the connection
		return 0, usage{}, err
	}
	used, err = server.used(func() (err error) {
		bytes, err = wire.counted(func() error {
			for range polls {
				if err := poll(); err != nil {
					return err
				}
			}
			return nil
		})
		return err
	})
	return bytes, used, err
}
