package hub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"branchline.dev/branchline/renderer"
	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// check decides about a push before any ref moves. What main says now is
// published first: the rules about what may follow what (a cluster's removal, for
// one) compare with what is published, so nothing may be under way meanwhile.
func (t *tenant) check(ctx context.Context, push sync.Push) error {
	for _, change := range push.Changes {
		if change.Ref != mainRef {
			continue
		}
		t.rendering.Lock()
		rendered, err := t.checkMain(ctx, push.Repository, change)
		t.rendering.Unlock()
		if err != nil {
			return err
		}
		push.Tell(announce(rendered))
	}
	return nil
}

func (t *tenant) checkMain(ctx context.Context, repository *sync.Repository, change sync.RefChange) (*renderer.Output, error) {
	// A main that does not render, since the renderer has become stricter, say,
	// must not keep its own fix out.
	var problems schemas.Problems
	if err := t.publishMain(ctx); err != nil && !errors.As(err, &problems) {
		t.hub.log.Error("a push waits for an earlier one", "tenant", t.name, "error", err)
		return nil, errors.New("what was pushed before is not published yet; try again, and look at the hub's log if it goes on")
	}
	commit, err := repository.Commit(ctx, change.New)
	if err != nil {
		return nil, err
	}
	tips, err := t.manifests.tips(ctx, repository)
	if err != nil {
		return nil, err
	}
	rendered, err := t.render(ctx, repository, commit, tips)
	if err != nil {
		return nil, refusal(err)
	}
	t.checked = &checked{commit: commit.ID, tips: tips, rendered: rendered}
	return rendered, nil
}

// announce says in a line what an accepted push does to the fleet.
func announce(rendered *renderer.Output) string {
	const named = 10
	var changed, ended []string
	for _, tree := range rendered.Clusters {
		switch {
		case !tree.Changed:
		case tree.Manifest.Spec.Tombstone != nil:
			ended = append(ended, tree.Name)
		default:
			changed = append(changed, tree.Name)
		}
	}
	var parts []string
	if len(changed) > 0 {
		parts = append(parts, "changes "+enumerate(changed, named))
	}
	if len(ended) > 0 {
		parts = append(parts, "ends "+enumerate(ended, named))
	}
	if len(parts) == 0 {
		return "accepted: no cluster changes"
	}
	return "accepted: " + strings.Join(parts, " and ") + "; \"branchline status\" shows how far it is"
}

func enumerate(names []string, limit int) string {
	if len(names) <= limit {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:limit], ", "), len(names)-limit)
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
