package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"branchline.dev/branchline/schemas"
)

// apply goes through the layers in dependency order. A layer opens when those
// it depends on are healthy for this revision and then stays open for it; layers
// that do not depend on one another do not wait for one another. Of a layer
// that is not open, what the revision leaves as it was is still kept in repair.
func (r *Reconciler) apply(ctx context.Context, plan []plannedLayer, report *report) {
	healthy := map[string]bool{}
	report.applied = r.managing()
	settling := false
	for _, layer := range plan {
		waits := waitsFor(layer.DependsOn, healthy)
		if len(waits) == 0 {
			r.opened[layer.Name] = true
		}
		judged := r.applyLayer(ctx, layer, waits)
		healthy[layer.Name] = judged.status.Phase == schemas.LayerHealthy
		report.applied = report.applied && judged.accepted
		report.retry = report.retry || judged.hindered
		report.layers = append(report.layers, judged)
		settling = settling || judged.settling
	}
	r.live.expect(settling)
}

func waitsFor(names []string, healthy map[string]bool) []string {
	var missing []string
	for _, name := range names {
		if !healthy[name] {
			missing = append(missing, name)
		}
	}
	return missing
}

func (r *Reconciler) applyLayer(ctx context.Context, layer plannedLayer, waits []string) judgement {
	first, rest := splitFirst(layer.targets)
	open := r.opened[layer.Name]
	err := r.converge(ctx, layer.desiredLayer, first, open)
	established := r.notReady(first, layer.Policy.Drift, open)
	if err == nil {
		err = r.converge(ctx, layer.desiredLayer, rest, open && established == "")
	}
	judged := r.judge(layer, open && established == "")
	switch {
	case err != nil:
		judged.accepted, judged.hindered = false, true
		judged.status.Phase, judged.status.Message = schemas.LayerFailed, explain(err)
		if ctx.Err() == nil {
			r.log.Warn("layer failed", "layer", layer.Name, "error", explain(err))
		}
	case !open:
		judged.status.Phase = schemas.LayerWaiting
		judged.status.Message = clip("waits for layers that are not healthy: " + strings.Join(waits, ", "))
	case established != "" && judged.status.Phase != schemas.LayerFailed:
		judged.status.Phase = schemas.LayerApplying
		judged.status.Message = clip("waits for " + established)
	}
	return judged
}

// splitFirst puts the definitions and namespaces apart that the rest needs.
func splitFirst(targets []target) (first, rest []target) {
	for _, target := range targets {
		if target.object.First {
			first = append(first, target)
		} else {
			rest = append(rest, target)
		}
	}
	return first, rest
}

// notReady names the first target that is not ready, "" if all are.
func (r *Reconciler) notReady(targets []target, policy schemas.DriftPolicy, open bool) string {
	for _, target := range targets {
		if state := r.stateOf(target, policy, open); !state.ready {
			return fmt.Sprintf("%s: %s", target.id, state.reason)
		}
	}
	return ""
}

// judgement is the state of a layer after a pass.
type judgement struct {
	status   schemas.LayerStatus
	failing  []schemas.ObjectIssue
	drift    []schemas.ObjectIssue
	accepted bool // the API server accepted every object of this revision
	hindered bool // the inventory could not be stored, so nothing was sent
	settling bool // watches have yet to show what was applied
}

func (r *Reconciler) judge(layer plannedLayer, open bool) judgement {
	judged := judgement{accepted: open && len(layer.blocked) == 0, failing: layer.blocked}
	judged.status = schemas.LayerStatus{Name: layer.Name, Objects: len(layer.Objects)}
	refused := len(layer.blocked)
	var unhealthy []schemas.ObjectIssue
	for _, target := range layer.targets {
		state := r.stateOf(target, layer.Policy.Drift, open)
		judged.settling = judged.settling || state.settling
		judged.accepted = judged.accepted && state.accepted
		if state.ready {
			judged.status.Ready++
		}
		if state.drift != "" {
			judged.drift = append(judged.drift, issue(target.id, layer.Name, state.drift))
		}
		switch {
		case state.failed:
			refused++
			judged.failing = append(judged.failing, issue(target.id, layer.Name, state.reason))
		case !state.ready && state.drift == "" && open:
			unhealthy = append(unhealthy, issue(target.id, layer.Name, state.reason))
		}
	}
	judged.failing = append(judged.failing, unhealthy...) // what was refused is shown first
	judged.status.Phase, judged.status.Message = phase(judged.status, refused, slices.Concat(judged.failing, judged.drift))
	return judged
}

func phase(layer schemas.LayerStatus, refused int, issues []schemas.ObjectIssue) (schemas.LayerPhase, string) {
	switch {
	case refused > 0:
		return schemas.LayerFailed, summary(issues)
	case layer.Ready < layer.Objects:
		return schemas.LayerProgressing, summary(issues)
	}
	return schemas.LayerHealthy, ""
}

// summary shows the first issue in full and counts the others.
func summary(issues []schemas.ObjectIssue) string {
	if len(issues) == 0 {
		return ""
	}
	text := issues[0].Object + ": " + issues[0].Reason
	if len(issues) > 1 {
		text = fmt.Sprintf("%s (and %d more)", clip(text), len(issues)-1)
	}
	return clip(text)
}

func issue(id objectID, layer, reason string) schemas.ObjectIssue {
	return schemas.ObjectIssue{Object: clip(id.String()), Layer: layer, Reason: clip(reason)}
}

// objectState is how far one object has come.
type objectState struct {
	accepted bool // by the API server, in the form of this revision
	ready    bool
	failed   bool
	settling bool
	drift    string // that is not being repaired
	reason   string // why it is not ready
}

func (r *Reconciler) stateOf(target target, policy schemas.DriftPolicy, open bool) objectState {
	return judgeObject(r.decide(target, policy, open), r.live.view(target.id), r.tracked[target.id], target.object.Hash)
}

// judgeObject reads the state of an object from what would be done about it next.
func judgeObject(next decision, seen view, known tracked, hash string) objectState {
	state := objectState{accepted: known.Applied == hash, reason: next.Reason}
	healthy := seen.exists && seen.record.Health.Ready
	switch next.Do {
	case actRefuse:
		state.accepted, state.failed = false, true
	case actDrift:
		state.drift, state.ready = next.Reason, healthy
	case actRest, actIgnore:
		state.ready = healthy || !seen.exists // gone, and policy says to ignore it
		if !state.ready {
			state.reason = seen.record.Health.Reason
		}
	case actWait:
		state.settling = state.accepted && known.Failure == ""
		if known.Failure != "" && known.FailedHash == hash {
			state.accepted, state.failed = false, true
		}
	default:
		state.reason = "is to be applied"
	}
	return state
}
