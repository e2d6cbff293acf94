package hub

import (
	"context"
	"fmt"
	"strings"
	stdsync "sync"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// published is what a desired branch holds now.
type published struct {
	commit   string
	manifest schemas.DesiredCluster
}

// manifests remembers root manifests by commit: a commit never changes, so
// nothing here can go stale.
type manifests struct {
	mu       stdsync.Mutex
	byCommit map[string]schemas.DesiredCluster
}

// tips reads the root manifest of every desired branch. A branch that cannot be
// read is an error: taking it for absent would give its cluster a new identity.
func (m *manifests) tips(ctx context.Context, repository *sync.Repository) (map[string]published, error) {
	refs, err := repository.Refs(ctx, schemas.DesiredRef(""))
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	fresh := make(map[string]schemas.DesiredCluster, len(refs))
	tips := make(map[string]published, len(refs))
	for ref, commit := range refs {
		manifest, known := m.byCommit[commit]
		if !known {
			if manifest, err = readManifest(ctx, repository, commit); err != nil {
				return nil, fmt.Errorf("%s: %w", ref, err)
			}
		}
		fresh[commit] = manifest
		tips[strings.TrimPrefix(ref, schemas.DesiredRef(""))] = published{commit, manifest}
	}
	m.byCommit = fresh
	return tips, nil
}

func readManifest(ctx context.Context, repository *sync.Repository, commit string) (schemas.DesiredCluster, error) {
	var manifest schemas.DesiredCluster
	data, err := repository.File(ctx, commit, schemas.DesiredClusterFile)
	if err != nil {
		return manifest, err
	}
	if err := schemas.Unmarshal(data, &manifest); err != nil {
		return manifest, fmt.Errorf("%s: %w", schemas.DesiredClusterFile, err)
	}
	return manifest, nil
}
