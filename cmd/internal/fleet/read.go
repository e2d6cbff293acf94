package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// Reader reads the tips of refs.
type Reader interface {
	// Tips returns the commits of all refs that begin with one of the prefixes.
	Tips(ctx context.Context, prefixes ...string) (map[string]Tip, error)
}

// Tip is the commit at the tip of a ref.
type Tip struct {
	Commit *sync.Commit
	// File returns a file of the commit, by its path.
	File func(path string) ([]byte, error)
}

// Read sums up every cluster that has a desired branch, sorted by name.
func Read(ctx context.Context, reader Reader, now time.Time) ([]Cluster, error) {
	tips, err := reader.Tips(ctx, schemas.DesiredRef(""), "refs/heads/status/")
	if err != nil {
		return nil, err
	}
	var clusters []Cluster
	for ref := range tips {
		name, isDesired := strings.CutPrefix(ref, schemas.DesiredRef(""))
		if !isDesired {
			continue
		}
		collected, err := collect(tips, name)
		if err != nil {
			return nil, fmt.Errorf("cluster %s: %w", name, err)
		}
		clusters = append(clusters, summarise(name, collected, now))
	}
	slices.SortFunc(clusters, func(a, b Cluster) int { return strings.Compare(a.Name, b.Name) })
	return clusters, nil
}

func collect(tips map[string]Tip, name string) (evidence, error) {
	e := evidence{desired: &schemas.DesiredCluster{}}
	desired := tips[schemas.DesiredRef(name)]
	if err := read(desired, schemas.DesiredClusterFile, e.desired); err != nil {
		return e, err
	}
	if e.desired.Spec.Tombstone == nil {
		var infrastructure schemas.DesiredInfrastructure
		if err := read(desired, schemas.DesiredInfrastructureFile, &infrastructure); err != nil {
			return e, err
		}
		e.cloud = infrastructure.Spec.Cloud.Type
	}
	if tip, ok := tips[schemas.InfraStatusRef(name)]; ok {
		e.infra, e.infraRaw = &schemas.InfraStatus{}, tip.Commit.Raw
		if err := read(tip, schemas.StatusFile, e.infra); err != nil {
			return e, err
		}
	}
	if tip, ok := tips[schemas.AgentStatusRef(name)]; ok {
		e.agent, e.agentRaw, e.agentTime = &schemas.AgentStatus{}, tip.Commit.Raw, tip.Commit.CommitterTime
		if err := read(tip, schemas.StatusFile, e.agent); err != nil {
			return e, err
		}
	}
	return e, nil
}

func read(tip Tip, path string, into any) error {
	data, err := tip.File(path)
	if err != nil {
		return err
	}
	if err := schemas.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s of commit %s: %w", path, tip.Commit.ID, err)
	}
	return nil
}

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
			commit, err := r.Repository.Commit(ctx, id)
			if err != nil {
				return nil, err
			}
			tips[ref] = Tip{Commit: commit, File: func(path string) ([]byte, error) {
				return r.Repository.File(ctx, id, path)
			}}
		}
	}
	return tips, nil
}
