package hub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	stdsync "sync"

	"branchline.dev/branchline/renderer"
	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

const mainRef = "refs/heads/main"

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

// render compiles a commit of a tenant repository against what is published.
func (t *tenant) render(ctx context.Context, repository *sync.Repository, commit *sync.Commit, tips map[string]published) (*renderer.Output, error) {
	files, err := repository.Files(ctx, commit.ID)
	if err != nil {
		return nil, err
	}
	ancestors, err := repository.Ancestors(ctx, commit.ID)
	if err != nil {
		return nil, err
	}
	previous := make(map[string]schemas.DesiredCluster, len(tips))
	for name, tip := range tips {
		previous[name] = tip.manifest
	}
	return renderer.Render(ctx, renderer.Input{
		Source:      files,
		Commit:      renderer.Commit{ID: commit.ID, Ancestors: ancestors, Time: commit.CommitterTime},
		Previous:    previous,
		TrustedKeys: []string{t.hub.signer.PublicKey()},
		Version:     t.hub.options.Version,
		Clouds:      t.hub.options.Clouds,
	})
}

// check decides about a push before any ref moves.
func (t *tenant) check(ctx context.Context, push sync.Push) error {
	for _, change := range push.Changes {
		if change.Ref != mainRef {
			continue
		}
		commit, err := push.Repository.Commit(ctx, change.New)
		if err != nil {
			return err
		}
		tips, err := t.manifests.tips(ctx, push.Repository)
		if err != nil {
			return err
		}
		rendered, err := t.render(ctx, push.Repository, commit, tips)
		if err != nil {
			return refusal(err)
		}
		if rendered.Tenant != t.name {
			return fmt.Errorf("%s: metadata.name: this repository belongs to the tenant %q, not %q", schemas.TenantFile, t.name, rendered.Tenant)
		}
	}
	return nil
}

// refusal adds to a list of problems what has become of the push.
func refusal(err error) error {
	var problems schemas.Problems
	if !errors.As(err, &problems) {
		return err
	}
	noun := "error"
	if len(problems) > 1 {
		noun = "errors"
	}
	return fmt.Errorf("%s\n%d %s; nothing was changed", problems.Error(), len(problems), noun)
}

// publish brings the desired branches to what main says. It is safe to call at
// any time and does nothing when they are up to date.
func (t *tenant) publish(ctx context.Context) error {
	head, err := t.repository.Tip(ctx, mainRef)
	if errors.Is(err, sync.ErrRefNotFound) {
		return nil // nothing has been pushed yet
	}
	if err != nil {
		return err
	}
	commit, err := t.repository.Commit(ctx, head)
	if err != nil {
		return err
	}
	tips, err := t.manifests.tips(ctx, t.repository)
	if err != nil {
		return err
	}
	rendered, err := t.render(ctx, t.repository, commit, tips)
	if err != nil {
		return fmt.Errorf("main at %s does not render: %w", head, err)
	}
	updates, err := t.updates(ctx, commit, rendered, tips)
	if err != nil || len(updates) == 0 {
		return err
	}
	results, err := t.repository.Publish(ctx, t.hub.signer, updates)
	if err != nil {
		return err
	}
	for _, result := range results {
		t.hub.log.Info("published", "tenant", t.name, "ref", result.Ref, "commit", result.Commit, "source", head)
		t.gateway.Notify(strings.TrimPrefix(result.Ref, schemas.DesiredRef("")))
	}
	return nil
}

func (t *tenant) updates(ctx context.Context, commit *sync.Commit, rendered *renderer.Output, tips map[string]published) ([]sync.Update, error) {
	var updates []sync.Update
	for _, tree := range rendered.Clusters {
		if !tree.Changed {
			continue
		}
		update := sync.Update{
			Ref:     schemas.DesiredRef(tree.Name),
			Files:   tree.Files,
			Message: message(tree, commit),
			When:    commit.CommitterTime,
		}
		if tip, exists := tips[tree.Name]; exists {
			if err := t.follows(ctx, tip.manifest.Spec.Source.Commit, commit.ID); err != nil {
				return nil, fmt.Errorf("%s: %w", update.Ref, err)
			}
			update.Expect, update.Parents = tip.commit, []string{tip.commit}
		}
		updates = append(updates, update)
	}
	return updates, nil
}

// follows makes sure that desired state never goes back by accident: what is
// rendered must descend from what was rendered before.
func (t *tenant) follows(ctx context.Context, before, now string) error {
	if before == now {
		return nil // rendered again, by another version of the renderer
	}
	descends, err := t.repository.IsAncestor(ctx, before, now)
	if err != nil {
		return err
	}
	if !descends {
		return fmt.Errorf("main at %s does not descend from %s, which is published; revert with a new commit on main", now, before)
	}
	return nil
}

func message(tree renderer.ClusterTree, commit *sync.Commit) string {
	verb := "Render"
	if tree.Manifest.Spec.Tombstone != nil {
		verb = "End"
	}
	return fmt.Sprintf("%s %s: %s\n\nSource: %s\nGeneration: %d\n", verb, tree.Name, commit.Subject, commit.ID, tree.Manifest.Spec.Generation)
}
