package fleet

import (
	"context"

	"branchline.dev/branchline/sync"
)

// OnDisk reads a repository on this machine's disk.
type OnDisk struct{ Repository *sync.Repository }

// Tips implements Reader.
func (r OnDisk) Tips(ctx context.Context, prefixes ...string) (map[string]Tip, error) {
	tips := map[string]Tip{}
	for _, prefix := range prefixes {
		refs, err := r.Repository.Refs(ctx, prefix)
		if err != nil {
			return nil, err
		}
		for ref, id := range refs {
			tips[ref] = r.tip(ctx, id)
		}
	}
	return tips, ctx.Err()
}

func (r OnDisk) tip(ctx context.Context, id string) Tip {
	commit, err := r.Repository.Commit(ctx, id)
	if err != nil {
		return Tip{Err: err}
	}
	return Tip{Commit: commit, File: func(path string) ([]byte, error) {
		return r.Repository.File(ctx, id, path)
	}}
}
