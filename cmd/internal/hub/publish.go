package hub

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"branchline.dev/branchline/renderer"
	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

const mainRef = "refs/heads/main"

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
