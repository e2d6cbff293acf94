package fleet

import (
	"context"
	"slices"
	"strings"
	"time"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// Reader reads the tips of refs.
type Reader interface {
	// Tips returns the commits of all refs that begin with one of the prefixes.
	// It fails only if the refs cannot be listed; a ref that goes away meanwhile
	// is left out.
	Tips(ctx context.Context, prefixes ...string) (map[string]Tip, error)
}

// Tip is the commit at the tip of a ref.
type Tip struct {
	// Err is why the commit could not be read; the other fields are empty then.
	Err    error
	Commit *sync.Commit
	// File returns a file of the commit, by its path.
	File func(path string) ([]byte, error)
}

// Read sums up every cluster that has a desired branch, sorted by name. What is
// wrong with one cluster's branches is that cluster's state, never an error.
//
// trusted are the keys (authorized_keys format) that a person trusts to sign
// desired branches. Without any, each branch is checked by the keys that its own
// manifest lists, which finds tampering by anybody but who serves the repository.
func Read(ctx context.Context, reader Reader, now time.Time, trusted ...string) ([]Cluster, error) {
	tips, err := reader.Tips(ctx, schemas.DesiredRef(""), "refs/heads/status/")
	if err != nil {
		return nil, err
	}
	clusters := []Cluster{}
	for ref := range tips {
		name, isDesired := strings.CutPrefix(ref, schemas.DesiredRef(""))
		if !isDesired {
			continue
		}
		found, flaw := gather(tips, name, trusted)
		clusters = append(clusters, summarise(name, found, flaw, now))
	}
	slices.SortFunc(clusters, func(a, b Cluster) int { return strings.Compare(a.Name, b.Name) })
	return clusters, ctx.Err()
}
