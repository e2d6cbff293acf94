package agent

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"branchline.dev/branchline/schemas"
)

// pruneReport is what a pass found about objects that should be gone.
type pruneReport struct {
	done    bool // nothing is left to delete
	kept    int  // by annotation
	message string
	held    []schemas.ObjectIssue // deletions that do not end
	pending *schemas.PendingApproval
}

// prune deletes what the inventory lists and no layer of the revision holds,
// later layers first. It waits until all layers are applied: before, something
// may still be in use, and nothing tells that the revision can be applied at all.
func (r *Reconciler) prune(ctx context.Context, plan []plannedLayer, report *report) {
	switch {
	case !r.managing():
		return
	case !report.applied:
		report.prune.message = "waits until every layer is applied"
		return
	case ctx.Err() != nil:
		report.prune.message = "a newer commit came"
		return
	}
	doomed := r.doomed(plan)
	if err := r.withdraw(ctx, doomed, &report.prune); err != nil {
		report.prune.message, report.retry = explain(err), true
		r.log.Warn("prune failed", "error", explain(err))
		return
	}
	if err := r.dropEmpty(ctx, plan); err != nil {
		report.trouble(r.log, err)
	}
}

// doomedObject is one entry of the inventory without a place in the plan.
type doomedObject struct {
	entry
	layer string
	order int
	step  pruneStep
	view  view
}

// doomed lists them, and tidies entries of objects that moved to another layer.
func (r *Reconciler) doomed(plan []plannedLayer) []doomedObject {
	holders := map[objectID]string{}
	for _, layer := range plan {
		for _, target := range layer.targets {
			holders[target.id] = layer.Name
		}
	}
	var found []doomedObject
	for name, layer := range r.inventory {
		for id, e := range layer.Entries {
			holder, held := holders[id]
			switch {
			case !held:
				seen := r.live.view(id)
				found = append(found, doomedObject{e, name, layer.Order, stepFor(e, seen, r.config.UID), seen})
			case holder != name && r.inventory.layer(holder).Entries[id].UID != "":
				layer.drop(id)
			}
		}
	}
	slices.SortFunc(found, func(a, b doomedObject) int {
		return cmp.Or(cmp.Compare(b.order, a.order), cmp.Compare(late(a.id().groupKind()), late(b.id().groupKind())),
			cmp.Compare(a.id().String(), b.id().String()))
	})
	return found
}

// late is 1 for kinds that take other objects with them and so go last.
func late(kind schema.GroupKind) int {
	if isCRD(kind) || kind == (schema.GroupKind{Kind: "Namespace"}) {
		return 1
	}
	return 0
}

// pruneStep is what to do about one doomed object.
type pruneStep int

const (
	pruneUnknown pruneStep = iota // not known well enough
	pruneConfirm                  // not seen any more: ask, and forget it if it is gone or not ours
	pruneRelease                  // not ours any more: forget it
	pruneKeep                     // its annotation protects it
	pruneHeld                     // is being deleted
	pruneDelete
)

// stepFor deletes nothing on its name alone: owner label and UID must be ours.
func stepFor(e entry, seen view, owner string) pruneStep {
	live := seen.record
	switch {
	case !seen.synced:
		return pruneUnknown
	case !seen.exists:
		return pruneConfirm
	case live.Owner != owner, e.UID != "" && live.UID != e.UID:
		return pruneRelease
	case live.Deleting:
		return pruneHeld
	case live.Keep:
		return pruneKeep
	}
	return pruneDelete
}

// withdraw takes the doomed objects through their steps.
func (r *Reconciler) withdraw(ctx context.Context, doomed []doomedObject, report *pruneReport) error {
	remaining, err := r.forgetGone(ctx, doomed, report)
	if err != nil {
		return err
	}
	if allowed, err := r.allow(ctx, remaining, report); err != nil || !allowed {
		return err
	}
	report.done = len(remaining) == report.kept
	return r.deleteNext(ctx, remaining, report)
}

// forgetGone drops the entries of what is gone or not ours, and gives the rest.
func (r *Reconciler) forgetGone(ctx context.Context, doomed []doomedObject, report *pruneReport) ([]doomedObject, error) {
	var remaining []doomedObject
	for _, object := range doomed {
		forget, err := r.forgettable(ctx, object)
		if err != nil {
			return nil, err
		}
		switch {
		case forget:
			r.log.Info("no longer in the inventory", "object", object.id().String(), "layer", object.layer)
			r.inventory.layer(object.layer).drop(object.id())
			delete(r.tracked, object.id())
		case object.step == pruneUnknown || object.step == pruneConfirm:
			return nil, fmt.Errorf("the state of %s is not known yet", object.id())
		default:
			if object.step == pruneKeep {
				report.kept++
			}
			remaining = append(remaining, object)
		}
	}
	return remaining, nil
}

// forgettable is true for what is gone, or not ours to delete.
func (r *Reconciler) forgettable(ctx context.Context, object doomedObject) (bool, error) {
	kind := object.id().groupKind()
	if _, absent := r.kinds.findAny(kind); absent {
		// What was read earlier may be from before the kind came back.
		if err := r.kinds.read(ctx); err != nil {
			return false, err
		}
		_, absent = r.kinds.findAny(kind)
		return absent, nil // with a kind all its objects are gone
	}
	if object.step == pruneConfirm {
		return r.gone(ctx, object.id())
	}
	return object.step == pruneRelease, nil
}

// gone asks the API server itself: a watch may be behind.
func (r *Reconciler) gone(ctx context.Context, id objectID) (bool, error) {
	kind, _ := r.kinds.findAny(id.groupKind())
	found, err := r.api.of(kind.Resource, id.Namespace).Get(ctx, id.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", id, err)
	}
	return found.GetLabels()[schemas.OwnerLabel] != r.config.UID, nil
}

// allow asks the deletion budget about what it was not asked before, and stores
// the permission: a restart in the middle must not ask again for the rest.
func (r *Reconciler) allow(ctx context.Context, remaining []doomedObject, report *pruneReport) (bool, error) {
	var asked []objectID
	for _, object := range remaining {
		if object.step == pruneDelete && !object.Pruning {
			asked = append(asked, object.id())
		}
	}
	allowed, pending := withinBudget(asked, r.inventory.size(), r.revision.Spec.Approvals.Deletions)
	if !allowed {
		report.pending = pending
		report.message = clip("waits for approval: " + pending.Reason)
		return false, nil
	}
	for i, object := range remaining {
		if object.step == pruneDelete && !object.Pruning {
			remaining[i].Pruning = true
			r.inventory.layer(object.layer).set(remaining[i].entry)
		}
	}
	for name, layer := range r.inventory {
		if err := r.store.save(ctx, name, layer); err != nil {
			return false, err
		}
	}
	return true, nil
}

// deleteNext deletes the objects of the last layer that has any, those that
// others live in after the others. What is being deleted holds back the rest.
func (r *Reconciler) deleteNext(ctx context.Context, remaining []doomedObject, report *pruneReport) error {
	var turn *doomedObject
	for i, object := range remaining {
		if object.step == pruneKeep {
			continue
		}
		if turn == nil {
			turn = &remaining[i]
		}
		if object.order != turn.order || late(object.id().groupKind()) != late(turn.id().groupKind()) {
			break
		}
		if object.step == pruneHeld {
			report.held = append(report.held, issue(object.id(), object.layer, "is being deleted"+heldBy(object.view.record.Finalizers)))
			continue
		}
		if err := r.deleteOne(ctx, object); err != nil {
			return err
		}
	}
	report.message = summary(report.held)
	return nil
}

func (r *Reconciler) deleteOne(ctx context.Context, object doomedObject) error {
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	kind, _ := r.kinds.findAny(object.id().groupKind())
	if err := r.api.delete(limited, kind.Resource, object.id(), object.view.record.UID); err != nil {
		return fmt.Errorf("delete %s: %w", object.id(), err)
	}
	r.log.Info("pruned", "object", object.id().String(), "layer", object.layer)
	return nil
}

// dropEmpty removes the inventories of layers that are gone with all they held.
func (r *Reconciler) dropEmpty(ctx context.Context, plan []plannedLayer) error {
	planned := map[string]bool{}
	for _, layer := range plan {
		planned[layer.Name] = true
	}
	for name, layer := range r.inventory {
		if planned[name] || len(layer.Entries) > 0 {
			continue
		}
		if err := r.store.remove(ctx, name); err != nil {
			return err
		}
		delete(r.inventory, name)
	}
	return nil
}
