package renderer

import (
	"context"
	"fmt"
	"io/fs"
	"time"

	"branchline.dev/branchline/schemas"
)

// Input is everything that a rendering depends on.
type Input struct {
	// Source is the tenant's repository at one commit.
	Source fs.FS
	// Commit is that commit.
	Commit Commit
	// Previous holds the root manifests at the tips of the desired branches, by name of cluster.
	Previous map[string]schemas.DesiredCluster
	// Tenant is the name that tenant.yaml must have; empty if any will do.
	Tenant string
	// TrustedKeys (authorized_keys format) are used when tenant.yaml lists none.
	TrustedKeys []string
	// OwnKey (authorized_keys format) is the key that signs the result. A tenant.yaml that lists trusted keys must
	// list it, or no agent would accept a commit again. Empty: not checked.
	OwnKey string
	// Version of the renderer.
	Version string
	// Clouds are the types of cloud that clusters may use, with the schemas of their settings.
	Clouds map[string]schemas.CloudSchemas
}

// Commit is what a rendering needs to know of the source commit.
type Commit struct {
	// ID is the full hexadecimal object name.
	ID string
	// Ancestors is the number of commits that are reachable from it, itself included.
	Ancestors int64
	// Time is when it was committed.
	Time time.Time
}

// Output is the desired state of a tenant.
type Output struct {
	// Tenant is the tenant's name.
	Tenant string
	// Clusters holds every cluster of the source, and every one that ended, sorted by name.
	Clusters []ClusterTree
}

// ClusterTree is the content of one desired branch.
type ClusterTree struct {
	// Name of the cluster.
	Name string
	// Manifest is the root manifest, as it stands in Files.
	Manifest schemas.DesiredCluster
	// Files are all files of the branch by path. A cluster that ended has the root manifest only.
	Files map[string][]byte
	// Changed is false if the cluster is to be what its previous manifest says already; then Manifest is that one.
	Changed bool
}

// Render computes the desired state of every cluster. If anything in the source
// is wrong, the error is schemas.Problems with all that was found, sorted, and
// there is no output. An error of any other type means that ctx ended.
func Render(ctx context.Context, in Input) (*Output, error) {
	repo, problems := schemas.Load(in.Source)
	loaded := len(problems) == 0

	packs, found := loadPacks(in.Source, repo)
	problems = append(problems, found...)
	profiles, found := checkProfiles(repo, packs)
	problems = append(problems, found...)
	problems = append(problems, checkClouds(repo, in.Clouds)...)
	plans, found := resolveClusters(ctx, repo, profiles)
	problems = append(problems, found...)
	problems = append(problems, checkTenant(repo, in)...)

	rendered, found := renderClusters(ctx, plans)
	problems = append(problems, found...)
	ended := []ClusterTree(nil)
	if loaded { // a cluster whose file could not be read is not a cluster that was removed
		ended, found = endClusters(repo, in)
		problems = append(problems, found...)
	}

	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("render commit %s: %w", in.Commit.ID, err)
	}
	if len(problems) > 0 {
		return nil, problems.Sorted()
	}
	trees, found := buildTrees(repo, rendered, in)
	if len(found) > 0 {
		return nil, found.Sorted()
	}
	return &Output{Tenant: repo.Tenant.Object.Metadata.Name, Clusters: sortTrees(append(trees, ended...))}, nil
}
