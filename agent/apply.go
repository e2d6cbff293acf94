package agent

import (
	"context"
	"fmt"
	gosync "sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"branchline.dev/branchline/schemas"
)

const (
	applyWorkers = 16
	callTimeout  = 40 * time.Second // above the longest that an admission webhook may take
)

// target is a desired object whose kind the API server serves.
type target struct {
	object   *desiredObject
	id       objectID
	resource schema.GroupVersionResource
}

// job is one target that needs a call.
type job struct {
	target
	do    action
	view  view
	known tracked
	// adopts says that the live object may be one that this agent never applied.
	adopts bool
}

// outcome is what came of a job.
type outcome struct {
	job
	next   tracked
	uid    string
	healed bool
}

// converge decides about each target and makes the calls that are needed. The
// inventory is stored before the first of them.
func (r *Reconciler) converge(ctx context.Context, layer *desiredLayer, targets []target, open bool) error {
	stock := r.inventory.layer(layer.Name)
	jobs := r.jobs(layer.Policy.Drift, targets, open, stock)
	if len(jobs) == 0 {
		return nil
	}
	for _, job := range jobs {
		stock.expect(job)
	}
	if err := r.store.save(ctx, layer.Name, stock); err != nil {
		return err
	}
	for _, done := range r.perform(ctx, jobs) {
		r.tracked[done.id] = done.next
		if done.uid != "" {
			stock.set(entry{
				Group: done.id.Group, Version: done.object.GVK.Version, Kind: done.id.Kind,
				Namespace: done.id.Namespace, Name: done.id.Name, UID: done.uid, Hash: done.next.Applied,
			})
		}
		if done.healed {
			r.memory.healed(1)
			r.log.Info("healed drift", "object", done.id.String(), "layer", layer.Name)
		}
	}
	return r.store.save(ctx, layer.Name, stock)
}

// expect lists an object before it is applied. Its UID is unknown again if
// there is no live object: the call will create another one.
func (l *layerInventory) expect(j job) {
	if j.do == actCheck {
		return
	}
	next := l.Entries[j.id]
	next.Group, next.Version, next.Kind = j.id.Group, j.object.GVK.Version, j.id.Kind
	next.Namespace, next.Name, next.Pruning = j.id.Namespace, j.id.Name, false
	if !j.view.exists || j.view.record.UID != next.UID {
		next.UID = ""
	}
	l.set(next)
}

func (r *Reconciler) jobs(policy schemas.DriftPolicy, targets []target, open bool, stock *layerInventory) []job {
	var jobs []job
	for _, target := range targets {
		decided := r.decide(target, policy, open)
		known := r.tracked[target.id]
		switch decided.Do {
		case actApply, actHeal, actCheck:
			seen := r.live.view(target.id)
			// An entry without UID is of an agent that ended before it was done.
			listed, isListed := stock.Entries[target.id]
			adopts := !seen.exists || isListed && listed.UID == ""
			jobs = append(jobs, job{target, decided.Do, seen, known, adopts})
		case actRest:
			r.tracked[target.id] = r.settled(target, known)
		case actIgnore:
			// Nothing else changes: under another policy it is drift still.
			known.Failure = ""
			r.tracked[target.id] = known
		}
	}
	return jobs
}

// settled takes what is seen of an object at rest for what agrees with its
// desired state. It is for objects that do agree, not for ignored ones.
func (r *Reconciler) settled(target target, known tracked) tracked {
	if seen := r.live.view(target.id); seen.exists && seen.record.Version >= known.Version {
		known.Version, known.Print = seen.record.Version, seen.record.Print
	}
	known.Drift, known.DriftPrint, known.Failure = "", "", ""
	return known
}

func (r *Reconciler) decide(target target, policy schemas.DriftPolicy, open bool) decision {
	return decide(situation{
		View: r.live.view(target.id), Tracked: r.tracked[target.id], Hash: target.object.Hash,
		Owner: r.config.UID, Policy: policy, Open: open, Now: r.now(),
	})
}

// perform runs jobs side by side. Once ctx ends no more are started, and those
// without an answer have no outcome.
func (r *Reconciler) perform(ctx context.Context, jobs []job) []outcome {
	queue := make(chan job)
	var mu gosync.Mutex
	var done []outcome
	var workers gosync.WaitGroup
	for range min(applyWorkers, len(jobs)) {
		workers.Go(func() {
			for next := range queue {
				result, answered := r.call(ctx, next)
				if answered {
					mu.Lock()
					done = append(done, result)
					mu.Unlock()
				}
			}
		})
	}
	for _, next := range jobs {
		if ctx.Err() != nil {
			break
		}
		queue <- next
	}
	close(queue)
	workers.Wait()
	return done
}

func (r *Reconciler) call(ctx context.Context, j job) (outcome, bool) {
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	result := outcome{job: j}
	var err error
	if j.do == actCheck {
		result.next, err = r.check(limited, j)
	} else {
		err = r.send(limited, &result)
	}
	if err != nil && ctx.Err() != nil {
		return result, false
	}
	if err != nil {
		result.next = j.known.failed(j.object.Hash, explain(err), r.now())
		r.log.Warn("object failed", "object", j.id.String(), "layer", j.object.Layer, "reason", result.next.Failure)
	}
	return result, true
}

// send applies the object for good.
func (r *Reconciler) send(ctx context.Context, result *outcome) error {
	j := result.job
	object, err := j.object.prepare(j.id.Namespace, r.config.UID)
	if err != nil {
		return err
	}
	applied, err := r.api.apply(ctx, j.resource, object, false)
	if err != nil {
		return err
	}
	if j.adopts {
		if applied, err = r.adopt(ctx, j, applied); err != nil {
			return err
		}
	}
	now := newRecord(applied)
	result.uid = now.UID
	result.healed = j.do == actHeal && (!j.view.exists ||
		now.Version != j.view.record.Version && now.Print != j.view.record.Print)
	result.next = j.known.succeeded(j.object.Hash, now.Version, now.Print, result.healed, r.now())
	return nil
}

// check finds out by a dry run whether the live object differs from its desired
// state. Fields that others added are no difference.
func (r *Reconciler) check(ctx context.Context, j job) (tracked, error) {
	next := j.known
	object, err := j.object.prepare(j.id.Namespace, r.config.UID)
	if err != nil {
		return next, err
	}
	found, err := r.api.of(j.resource, j.id.Namespace).Get(ctx, j.id.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return next, nil // its watch event is on the way
	}
	if err != nil {
		return next, fmt.Errorf("read: %w", err)
	}
	wanted, err := r.api.apply(ctx, j.resource, object, true)
	if err != nil {
		return next, err
	}
	next.Failure, next.Failures = "", 0
	print := fingerprint(found) // not the view's: it may be behind what was compared
	switch {
	case print == fingerprint(wanted):
		next.Drift, next.DriftPrint = "", ""
		next.Version, next.Print = parseVersion(found.GetResourceVersion()), print
	default:
		next.Drift, next.DriftPrint = describeDrift(found, wanted), print
		r.log.Info("drift", "object", j.id.String(), "layer", j.object.Layer, "reason", next.Drift)
	}
	return next, nil
}
