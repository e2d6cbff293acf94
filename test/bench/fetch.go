package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

const fetchBytesBudget = 2048 // and the changed objects

// measureFetch fetches a one-line change of a branch that the client has as it
// was before.
func measureFetch(ctx context.Context, b bed, f *fleet) ([]figure, error) {
	clone := b.path("clone")
	if _, err := git(ctx, "", nil, "init", "--quiet", clone); err != nil {
		return nil, err
	}
	fetch := func() error {
		_, err := git(ctx, clone, nil, "fetch", "--quiet", "--depth=1", "--no-tags", f.plainWire.url(), f.desired.Ref+":refs/heads/desired")
		return err
	}
	if err := fetch(); err != nil {
		return nil, err
	}
	// A client that is connected already, as an agent is.
	if _, err := f.ownClient.Fetch(ctx, f.desired.Ref, f.tip); err != nil {
		return nil, err
	}
	changed, err := f.change(ctx)
	if err != nil {
		return nil, err
	}
	ours, err := f.hubWire.counted(func() error {
		snapshot, err := f.ownClient.Fetch(ctx, f.desired.Ref, f.tip)
		if err == nil && snapshot.Commit != changed {
			err = errors.New("fetch: got another commit than the one published")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	theirs, err := f.plainWire.counted(func() error {
		_, err := git(ctx, clone, nil, "fetch", "--quiet", "--depth=1", "--no-tags", f.plainWire.url(), "+"+f.desired.Ref+":refs/heads/desired")
		return err
	})
	if err != nil {
		return nil, err
	}
	objects, err := f.packedSize(ctx, f.tip, changed)
	if err != nil {
		return nil, err
	}
	f.tip = changed
	return []figure{newFigure("sync.fetch.bytes", ours, "B").beside(theirs, "git fetch --depth=1 of the same change").
		within(fetchBytesBudget + objects).noting(fmt.Sprintf("the changed objects are %.0f B as a pack", objects))}, nil
}

// packedSize is that of a pack of what the newer commit has and the older lacks.
func (f *fleet) packedSize(ctx context.Context, older, newer string) (float64, error) {
	revisions := strings.NewReader(newer + "\n^" + older + "\n")
	pack, err := git(ctx, f.repository.Dir(), revisions, "pack-objects", "--quiet", "--revs", "--stdout")
	return float64(len(pack)), err
}
