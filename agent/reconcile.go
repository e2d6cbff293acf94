package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"branchline.dev/branchline/schemas"
)

// Reconciler brings one cluster to its newest trusted revision, a pass at a
// time. Its fields belong to the goroutine that calls Reconcile.
type Reconciler struct {
	config  Config
	now     func() time.Time
	log     *slog.Logger
	version string

	branch  *follower
	api     api
	kinds   *kinds
	live    *live
	watcher *watcher
	nodes   *nodes
	memory  *memory
	store   inventoryStore
	publish func(schemas.AgentStatusBody)

	revision  *revision // being applied
	inventory inventory
	tracked   map[objectID]tracked
	opened    map[string]bool // layers whose dependencies were healthy for this revision
}

// Reconcile makes one pass: everything that can be done now, in order. It never
// waits for something to become healthy or to be gone; a watch event, a newer
// commit or the time it returns (0: none) starts the next pass. A newer commit
// also ends ctx, so that it pre-empts whatever is still being sent.
func (r *Reconciler) Reconcile(ctx context.Context) time.Duration {
	var wait earliest
	report := report{}

	r.accept(ctx, &report)          // fetched and verified: what the follower trusts is remembered, then used
	r.discover(ctx, &report, &wait) // which kinds the API server serves
	plan := r.plan(&report)         // which live object each file stands for
	r.observe(plan)                 // a watch for each kind, so that the rest needs no reads
	r.apply(ctx, plan, &report)     // layer by layer, each once those it depends on are healthy
	r.prune(ctx, plan, &report)     // what no layer holds any more
	r.remember(ctx, &report)        // the inventory, and the revision once it is applied as a whole
	r.report(ctx, &report)          // status, signed and pushed by the publisher
	wait.note(r.nextDecision(plan)) // retries and delayed repairs
	if report.retry {
		wait.note(passRetry)
	}
	return wait.delay
}

// accept takes over the newest trusted revision, once its generation is stored:
// after a restart nothing older must be believed.
func (r *Reconciler) accept(ctx context.Context, report *report) {
	newest, problem, looked := r.branch.latest()
	report.fetch, report.looked = problem, looked
	if newest == nil || (r.revision != nil && r.revision.Commit == newest.Commit) {
		return
	}
	trust := r.memory.trust(r.config)
	if err := trust.admits(newest); err != nil {
		r.branch.retract(newest.Commit, &refusal{Reason: reasonOlder, Commit: newest.Commit, err: err})
		return
	}
	if !trust.knows(newest.Key) {
		r.branch.retract(newest.Commit, &refusal{Reason: reasonUntrusted, Commit: newest.Commit, err: errRetired})
		return
	}
	err := r.memory.update(ctx, func(s *state) {
		s.Generation, s.Commit, s.Digest, s.Key = newest.Spec.Generation, newest.Commit, newest.Spec.Digest, newest.Key
		s.TrustedKeys = newest.Spec.TrustedKeys
	})
	if err != nil {
		report.trouble(r.log, err)
		return
	}
	r.log.Info("new desired commit", "commit", newest.Commit, "generation", newest.Spec.Generation, "objects", newest.Spec.Objects)
	r.revision, r.opened = newest, map[string]bool{}
}

// report hands the status to the publisher. A pass that was cut short saw too
// little to tell.
func (r *Reconciler) report(ctx context.Context, report *report) {
	if ctx.Err() == nil {
		r.publish(r.status(report))
	}
}

// managing is false without a trusted revision and after the cluster's end:
// then nothing at all is done to the cluster.
func (r *Reconciler) managing() bool {
	return r.revision != nil && r.revision.Spec.Tombstone == nil
}

// discover reads the API server's kinds again if one of the revision is missing.
func (r *Reconciler) discover(ctx context.Context, report *report, wait *earliest) {
	if !r.managing() {
		return
	}
	missing := false
	for _, layer := range r.revision.Layers {
		for _, object := range layer.Objects {
			if _, err := r.kinds.find(object.GVK); errors.Is(err, errKindUnknown) {
				missing = true
			}
		}
	}
	delay, err := r.kinds.refresh(ctx, missing, r.live.usableCRDs(), r.now())
	if err != nil {
		report.trouble(r.log, err)
	}
	wait.note(delay)
}

// plannedLayer is a layer with what is known of each of its files.
type plannedLayer struct {
	*desiredLayer
	targets []target
	// blocked are files that cannot be applied, and why.
	blocked []schemas.ObjectIssue
}

// plan finds the live object of each file.
func (r *Reconciler) plan(report *report) []plannedLayer {
	if !r.managing() {
		return nil
	}
	order, err := dependencyOrder(r.revision.Spec.Layers)
	if err != nil {
		report.trouble(r.log, err) // verify refuses such a revision
		return nil
	}
	held := map[objectID]string{}
	plan := make([]plannedLayer, 0, len(order))
	for _, i := range order {
		layer := &r.revision.Layers[i]
		planned := plannedLayer{desiredLayer: layer}
		r.inventory.layer(layer.Name).order(i)
		for o := range layer.Objects {
			object := &layer.Objects[o]
			found, err := r.resolve(layer, object)
			if other := held[found.id]; err == nil && other != "" {
				err = fmt.Errorf("layer %s holds the same object: remove it from one of them", other)
			}
			if err != nil {
				planned.blocked = append(planned.blocked, issue(object.provisionalID(layer.DesiredLayer), layer.Name, err.Error()))
				continue
			}
			held[found.id] = layer.Name
			planned.targets = append(planned.targets, found)
		}
		plan = append(plan, planned)
	}
	return plan
}

func (r *Reconciler) resolve(layer *desiredLayer, object *desiredObject) (target, error) {
	kind, err := r.kinds.find(object.GVK)
	if err != nil {
		return target{}, err
	}
	id := objectID{Group: object.GVK.Group, Kind: object.GVK.Kind, Name: object.Name}
	if kind.Namespaced {
		id.Namespace = object.provisionalID(layer.DesiredLayer).Namespace
		if id.Namespace == "" {
			return target{}, fmt.Errorf("names no namespace and its layer has none: set one")
		}
	}
	if id.belongsToAgent() {
		return target{}, fmt.Errorf("belongs to the agent itself: rename the object")
	}
	return target{object: object, id: id, resource: kind.Resource}, nil
}

// observe watches every kind of the plan and of the inventory.
func (r *Reconciler) observe(plan []plannedLayer) {
	if !r.managing() {
		return // a cluster at its end, or one not known yet, needs no watches
	}
	wanted := map[schema.GroupKind]schema.GroupVersionResource{}
	for _, layer := range plan {
		for _, target := range layer.targets {
			if _, known := wanted[target.id.groupKind()]; !known {
				wanted[target.id.groupKind()] = target.resource
			}
		}
	}
	for _, layer := range r.inventory {
		for id := range layer.Entries {
			if _, known := wanted[id.groupKind()]; known {
				continue
			}
			if kind, _ := r.kinds.findAny(id.groupKind()); kind.Resource.Resource != "" {
				wanted[id.groupKind()] = kind.Resource
			}
		}
	}
	r.watcher.follow(wanted)
}

// remember stores what the pass changed.
func (r *Reconciler) remember(ctx context.Context, report *report) {
	for name, layer := range r.inventory {
		if err := r.store.save(ctx, name, layer); err != nil {
			report.trouble(r.log, err)
		}
	}
	if !report.applied || r.memory.get().Applied == r.revision.name() {
		return
	}
	if err := r.memory.update(ctx, func(s *state) { s.Applied = r.revision.name() }); err != nil {
		report.trouble(r.log, err)
		return
	}
	r.log.Info("applied as a whole", "commit", r.revision.Commit, "generation", r.revision.Spec.Generation)
}

// nextDecision is when time alone changes what to do about some object.
func (r *Reconciler) nextDecision(plan []plannedLayer) time.Duration {
	var wait earliest
	now := r.now()
	for _, layer := range plan {
		for _, target := range layer.targets {
			if at := r.decide(target, layer.Policy.Drift, r.opened[layer.Name]).Again; at.After(now) {
				wait.note(at.Sub(now))
			}
		}
	}
	return wait.delay
}

// earliest keeps the shortest of several delays, of which 0 means none.
type earliest struct{ delay time.Duration }

func (e *earliest) note(delay time.Duration) {
	if delay > 0 && (e.delay == 0 || delay < e.delay) {
		e.delay = delay
	}
}
