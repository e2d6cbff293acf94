package renderer

import (
	"maps"
	"slices"
	"time"

	"branchline.dev/branchline/schemas"
)

// endClusters deals with the clusters that have a desired branch and are no
// longer in the source: each gets a tombstone, unless it is protected. A
// cluster that has ended before stays as it is.
func endClusters(repo *schemas.Repository, in Input) ([]ClusterTree, schemas.Problems) {
	var trees []ClusterTree
	var problems schemas.Problems
	for _, name := range slices.Sorted(maps.Keys(in.Previous)) {
		if slices.ContainsFunc(repo.Clusters, func(d *schemas.Document[schemas.Cluster]) bool { return d.Object.Metadata.Name == name }) {
			continue
		}
		previous := in.Previous[name]
		if previous.Spec.Tombstone == nil && previous.Spec.DeletionProtection {
			problems = append(problems, wholeFile(schemas.ClustersDir,
				"the cluster %s was removed, but is protected from deletion; bring it back and set spec.deletionProtection: false in one commit, then remove it in a second one", name)...)
			continue
		}
		tree, err := endCluster(name, previous, in)
		if err != nil {
			problems = append(problems, wholeFile(schemas.ClustersDir, "the end of the cluster %s cannot be written: %v", name, err)...)
			continue
		}
		trees = append(trees, tree)
	}
	return trees, problems
}

// endCluster writes the last state of a cluster. It keeps the keys that the
// cluster's agent trusts, and holds neither layers nor infrastructure: a
// provider finds what to delete by the UID.
func endCluster(name string, previous schemas.DesiredCluster, in Input) (ClusterTree, error) {
	spec := schemas.DesiredClusterSpec{
		Tenant:      previous.Spec.Tenant,
		UID:         previous.Spec.UID,
		Layers:      []schemas.DesiredLayer{},
		TrustedKeys: append([]string{}, previous.Spec.TrustedKeys...),
		Tombstone:   previous.Spec.Tombstone,
	}
	if spec.Tombstone == nil {
		spec.Tombstone = &schemas.Tombstone{UID: previous.Spec.UID, DeletedAt: in.Commit.Time.UTC().Format(time.RFC3339)}
	} else {
		spec = previous.Spec
	}
	return seal(name, spec, map[string][]byte{}, previous, true, in)
}
