package main

import (
	"context"
	"fmt"
	"strings"

	"branchline.dev/branchline/schemas"
)

const statusCPUBudget = 12 // ms

// measureStatus pushes one status after another: what the server side uses for
// each, git's processes and the hook included.
func measureStatus(ctx context.Context, b bed, f *fleet) ([]figure, error) {
	pushes := b.size(15, 3)
	ours, err := f.hub.used(func() error { return f.pushStatuses(ctx, pushes) })
	if err != nil {
		return nil, err
	}
	commits, err := f.statusCommits(ctx, b, pushes/3)
	if err != nil {
		return nil, err
	}
	theirs, err := f.plain.used(func() error { return f.gitPush(ctx, b, commits) })
	if err != nil {
		return nil, err
	}
	return []figure{newFigure("sync.status.cpu", each(ours.cpu(), pushes), "ms").
		beside(each(theirs.cpu(), len(commits)), "git push of the same to git http-backend").within(statusCPUBudget)}, nil
}

func (f *fleet) pushStatuses(ctx context.Context, count int) error {
	for i := range count {
		commit, err := f.ownClient.Push(ctx, f.signer, statusUpdate(f.cluster, f.status, i+1))
		if err != nil {
			return err
		}
		f.status = commit
	}
	return nil
}

// statusCommits makes commits like those of pushStatuses in the client's clone.
func (f *fleet) statusCommits(ctx context.Context, b bed, count int) ([]string, error) {
	commits := make([]string, count)
	for i := range commits {
		status := statusUpdate(f.cluster, "", 1000+i).Files[schemas.StatusFile]
		blob, err := git(ctx, b.path("clone"), strings.NewReader(string(status)), "hash-object", "-w", "--stdin")
		if err != nil {
			return nil, err
		}
		tree, err := git(ctx, b.path("clone"), strings.NewReader(fmt.Sprintf("100644 blob %s\t%s\n", blob, schemas.StatusFile)), "mktree")
		if err != nil {
			return nil, err
		}
		if commits[i], err = git(ctx, b.path("clone"), nil, "commit-tree", "-m", "status", tree); err != nil {
			return nil, err
		}
	}
	return commits, nil
}

func (f *fleet) gitPush(ctx context.Context, b bed, commits []string) error {
	for _, commit := range commits {
		_, err := git(ctx, b.path("clone"), nil, "push", "--quiet", "--force", f.plainWire.url(), commit+":"+schemas.AgentStatusRef(f.cluster))
		if err != nil {
			return err
		}
	}
	return nil
}
