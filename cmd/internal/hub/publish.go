package hub

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
		Tenant:      t.name,
		OwnKey:      t.hub.signer.PublicKey(),
		Clouds:      t.hub.options.Clouds,
	})
}

// check decides about a push before any ref moves. What main says now is
// published first: the rules about what may follow what (a cluster's removal, for
// one) compare with what is published, so nothing may be under way meanwhile.
func (t *tenant) check(ctx context.Context, push sync.Push) error {
	for _, change := range push.Changes {
		if change.Ref != mainRef {
			continue
		}
		t.rendering.Lock()
		err := t.checkMain(ctx, push.Repository, change)
		t.rendering.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tenant) checkMain(ctx context.Context, repository *sync.Repository, change sync.RefChange) error {
	if err := t.publishMain(ctx); err != nil {
		t.hub.log.Error("a push waits for an earlier one", "tenant", t.name, "error", err)
		return errors.New("what was pushed before is not published yet; try again, and look at the hub's log if it goes on")
	}
	commit, err := repository.Commit(ctx, change.New)
	if err != nil {
		return err
	}
	tips, err := t.manifests.tips(ctx, repository)
	if err != nil {
		return err
	}
	rendered, err := t.render(ctx, repository, commit, tips)
	if err != nil {
		return refusal(err)
	}
	t.checked = &checked{commit: commit.ID, tips: tips, rendered: rendered}
	return nil
}

// checked is what a push that was checked last renders to; publishing it a
// moment later need not render again.
type checked struct {
	commit   string
	tips     map[string]published
	rendered *renderer.Output
}

// takeChecked returns what the check of a commit has rendered, once, if the
// desired branches are still where they were.
func (t *tenant) takeChecked(commit string, tips map[string]published) *renderer.Output {
	c := t.checked
	t.checked = nil
	if c == nil || c.commit != commit || !sameTips(c.tips, tips) {
		return nil
	}
	return c.rendered
}

func sameTips(a, b map[string]published) bool {
	return maps.EqualFunc(a, b, func(x, y published) bool { return x.commit == y.commit })
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
	t.rendering.Lock()
	defer t.rendering.Unlock()
	return t.publishMain(ctx)
}

// publishMain does so while rendering is locked.
func (t *tenant) publishMain(ctx context.Context) error {
	head, err := t.repository.Tip(ctx, mainRef)
	if errors.Is(err, sync.ErrRefNotFound) {
		return nil // nothing has been pushed yet
	}
	if err != nil {
		return err
	}
	tips, err := t.manifests.tips(ctx, t.repository)
	if err != nil {
		return err
	}
	if err := t.revokeEnded(ctx, tips); err != nil {
		return err
	}
	if t.done != nil && t.done.commit == head && sameTips(t.done.tips, tips) {
		return nil
	}
	commit, err := t.repository.Commit(ctx, head)
	if err != nil {
		return err
	}
	rendered := t.takeChecked(head, tips)
	if rendered == nil {
		if rendered, err = t.render(ctx, t.repository, commit, tips); err != nil {
			return fmt.Errorf("main at %s does not render: %w", head, err)
		}
	}
	if err := t.move(ctx, commit, rendered, tips); err != nil {
		return err
	}
	if tips, err = t.manifests.tips(ctx, t.repository); err != nil {
		return err
	}
	t.done = &checked{commit: head, tips: tips}
	return nil
}

// move makes one commit for each cluster that changes and moves all their refs
// at once.
func (t *tenant) move(ctx context.Context, commit *sync.Commit, rendered *renderer.Output, tips map[string]published) error {
	updates, err := t.updates(ctx, commit, rendered, tips)
	if err != nil || len(updates) == 0 {
		return err
	}
	results, err := t.repository.Publish(ctx, t.hub.signer, updates)
	if err != nil {
		return err
	}
	for _, result := range results {
		t.hub.log.Info("published", "tenant", t.name, "ref", result.Ref, "commit", result.Commit, "source", commit.ID)
		t.gateway.Notify(strings.TrimPrefix(result.Ref, schemas.DesiredRef("")))
	}
	return nil
}

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
