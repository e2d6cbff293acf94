package hub

import (
	"context"
	"errors"
	"fmt"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// revokeEnded takes the tokens of clusters of which nothing is left.
func (t *tenant) revokeEnded(ctx context.Context, tips map[string]published) error {
	for name, tip := range tips {
		if tip.manifest.Spec.Tombstone == nil || !t.hub.tokens.clusterHasAny(t.name, name) {
			continue
		}
		gone, err := t.isDeleted(ctx, name)
		if err != nil {
			return err
		}
		if gone {
			if err := t.hub.tokens.revokeCluster(t.name, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tenant) isDeleted(ctx context.Context, cluster string) (bool, error) {
	tip, err := t.repository.Tip(ctx, schemas.InfraStatusRef(cluster))
	if errors.Is(err, sync.ErrRefNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	data, err := t.repository.File(ctx, tip, schemas.StatusFile)
	if err != nil {
		return false, err
	}
	var status schemas.InfraStatus
	if err := schemas.Unmarshal(data, &status); err != nil {
		return false, fmt.Errorf("%s: %w", schemas.InfraStatusRef(cluster), err)
	}
	return status.Status.Phase == schemas.InfraDeleted, nil
}
