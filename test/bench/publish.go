package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"branchline.dev/branchline/sync"
)

const publishRounds = 3

// measurePublish writes the same branches with Repository.Publish and with git
// fast-import, in turns, each time into a new repository.
func measurePublish(ctx context.Context, b bed) ([]figure, error) {
	updates := desiredBranches(b.size(10_000, 300), 10)
	stream := fastImport(updates)
	signer, err := newSigner()
	if err != nil {
		return nil, err
	}
	var published, imported []time.Duration
	for round := range b.size(publishRounds, 1) {
		ours, theirs := b.path(fmt.Sprintf("published-%d.git", round)), b.path(fmt.Sprintf("imported-%d.git", round))
		took, err := timePublish(ctx, ours, signer, updates)
		if err != nil {
			return nil, err
		}
		published = append(published, took)
		if took, err = timeFastImport(ctx, theirs, stream); err != nil {
			return nil, err
		}
		imported = append(imported, took)
		if err := sameTrees(ctx, ours, theirs, updates[len(updates)-1].Ref); err != nil {
			return nil, err
		}
	}
	baseline := milliseconds(median(imported))
	return []figure{newFigure("sync.publish.10k", milliseconds(median(published)), "ms").
		beside(baseline, "git fast-import of the same objects, unsigned").within(baseline)}, nil
}

func timePublish(ctx context.Context, dir string, signer *sync.Signer, updates []sync.Update) (time.Duration, error) {
	repository, err := sync.InitRepository(ctx, dir)
	if err != nil {
		return 0, err
	}
	started := time.Now()
	_, err = repository.Publish(ctx, signer, updates)
	return time.Since(started), err
}

func timeFastImport(ctx context.Context, dir string, stream []byte) (time.Duration, error) {
	if _, err := git(ctx, "", nil, "init", "--quiet", "--bare", dir); err != nil {
		return 0, err
	}
	started := time.Now()
	_, err := git(ctx, dir, bytes.NewReader(stream), "fast-import", "--quiet", "--done")
	return time.Since(started), err
}

// sameTrees makes sure that the two ways did the same work.
func sameTrees(ctx context.Context, ours, theirs, ref string) error {
	var trees [2]string
	for i, dir := range []string{ours, theirs} {
		var err error
		if trees[i], err = git(ctx, dir, nil, "rev-parse", "--verify", ref+"^{tree}"); err != nil {
			return err
		}
	}
	if trees[0] != trees[1] {
		return fmt.Errorf("%s has tree %s where fast-import made %s: not the same work", ref, trees[0], trees[1])
	}
	return nil
}
