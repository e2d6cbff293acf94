package fleet

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// online reads a repository over smart HTTP.
type online struct{ remote *sync.Remote }

const (
	// atOnce is how many branches are fetched at a time.
	atOnce = 8
	// fetchAttempts bounds how often a branch is asked for that keeps moving.
	fetchAttempts = 3
)

// Tips implements Reader.
func (r online) Tips(ctx context.Context, prefixes ...string) (map[string]Tip, error) {
	refs, err := r.remote.List(ctx, prefixes...)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(refs))
	for ref := range refs {
		names = append(names, ref)
	}
	tips := make([]Tip, len(names))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, ref := range names {
		group.Go(func() error {
			tips[i] = r.tip(ctx, ref, refs[ref])
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	byRef := make(map[string]Tip, len(names))
	for i, ref := range names {
		if !errors.Is(tips[i].Err, sync.ErrRefNotFound) {
			byRef[ref] = tips[i]
		}
	}
	return byRef, nil
}

// tip fetches a branch that was listed at the commit listed. If it moves between
// the questions that a fetch asks, the server no longer gives the commit that it
// has just named: then the fetch starts anew.
func (r online) tip(ctx context.Context, ref, listed string) Tip {
	for attempt := 1; ; attempt++ {
		snapshot, err := r.remote.Fetch(ctx, ref, "")
		if err == nil {
			return tipOf(snapshot)
		}
		if attempt == fetchAttempts || errors.Is(err, sync.ErrRefNotFound) {
			return Tip{Err: err}
		}
		refs, listErr := r.remote.List(ctx, ref)
		if listErr != nil || refs[ref] == listed {
			return Tip{Err: err}
		}
		listed = refs[ref]
	}
}

// tipOf keeps the documents of a snapshot and lets its layers go.
func tipOf(snapshot *sync.Snapshot) Tip {
	commit, err := snapshot.Parsed()
	if err != nil {
		return Tip{Err: err}
	}
	documents := map[string][]byte{}
	for _, path := range []string{schemas.DesiredClusterFile, schemas.DesiredInfrastructureFile, schemas.StatusFile} {
		if data, ok := snapshot.Files[path]; ok {
			documents[path] = data
		}
	}
	return Tip{Commit: commit, File: func(path string) ([]byte, error) {
		data, ok := documents[path]
		if !ok {
			return nil, fmt.Errorf("commit %s holds no file %s", commit.ID, path)
		}
		return data, nil
	}}
}
