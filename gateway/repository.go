package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// Repository is a Source and a Sink on a tenant's repository on disk. Statuses
// are commits without parents: their number does not grow the history.
type Repository struct {
	*sync.Repository
	// Signer signs statuses.
	Signer *sync.Signer
}

// Tips implements Source.
func (r Repository) Tips(ctx context.Context) (map[string]string, error) {
	prefix := schemas.DesiredRef("")
	refs, err := r.Refs(ctx, prefix)
	if err != nil {
		return nil, fmt.Errorf("list desired branches: %w", err)
	}
	tips := make(map[string]string, len(refs))
	for ref, id := range refs {
		// A name with a slash is no cluster's.
		if cluster, ok := strings.CutPrefix(ref, prefix); ok && !strings.Contains(cluster, "/") {
			tips[cluster] = id
		}
	}
	return tips, nil
}

// Last implements Sink.
func (r Repository) Last(ctx context.Context, cluster string) (Report, error) {
	id, err := r.Tip(ctx, schemas.InfraStatusRef(cluster))
	if errors.Is(err, sync.ErrRefNotFound) {
		return Report{}, nil
	}
	if err != nil {
		return Report{}, err
	}
	commit, err := r.Commit(ctx, id)
	if err != nil {
		return Report{}, err
	}
	data, err := r.File(ctx, id, schemas.StatusFile)
	if err != nil {
		return Report{}, err
	}
	return Report{Commit: id, When: commit.CommitterTime, Subject: commit.Subject, Data: data}, nil
}

// Write implements Sink.
func (r Repository) Write(ctx context.Context, cluster, expect string, report Report) (string, error) {
	published, err := r.Publish(ctx, r.Signer, []sync.Update{{
		Ref:     schemas.InfraStatusRef(cluster),
		Expect:  expect,
		Files:   map[string][]byte{schemas.StatusFile: report.Data},
		Message: report.Subject + "\n",
		When:    report.When,
	}})
	if err != nil {
		return "", err
	}
	if len(published) != 1 {
		return "", fmt.Errorf("publish the status of %s: %d refs moved instead of one", cluster, len(published))
	}
	return published[0].Commit, nil
}
