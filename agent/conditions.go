package agent

import (
	"fmt"

	"branchline.dev/branchline/schemas"
)

// conditions sums a pass up. Times are added when the status is published.
func conditions(revision *revision, report *report, body schemas.AgentStatusBody) []schemas.Condition {
	applied, healthy := appliedCondition(revision, report), healthyCondition(revision, report, body)
	return []schemas.Condition{
		readyCondition(applied, healthy),
		fetchedCondition(report),
		applied,
		healthy,
		prunedCondition(revision, report),
		driftedCondition(body),
	}
}

func condition(kind, status, reason, message string) schemas.Condition {
	return schemas.Condition{Type: kind, Status: status, Reason: reason, Message: clip(message)}
}

func readyCondition(applied, healthy schemas.Condition) schemas.Condition {
	for _, part := range []schemas.Condition{applied, healthy} {
		if part.Status != "True" {
			return condition(schemas.ConditionReady, part.Status, part.Reason, part.Message)
		}
	}
	return condition(schemas.ConditionReady, "True", "Ready", "everything desired is applied and healthy")
}

func fetchedCondition(report *report) schemas.Condition {
	switch {
	case !report.looked:
		return condition(schemas.ConditionFetched, "Unknown", "Starting", "the desired branch was not read yet")
	case report.fetch.Reason != "":
		return condition(schemas.ConditionFetched, "False", report.fetch.Reason, report.fetch.Message)
	}
	return condition(schemas.ConditionFetched, "True", "Fetched", "")
}

// unmanaged gives the reason if there is nothing to judge.
func unmanaged(kind string, revision *revision) (schemas.Condition, bool) {
	switch {
	case revision == nil:
		return condition(kind, "Unknown", "NothingDesired", "no trusted desired commit was read since the agent started"), true
	case revision.Spec.Tombstone != nil:
		return condition(kind, "False", "Tombstoned", "the cluster has ended: its objects are left as they are and not managed any more"), true
	}
	return schemas.Condition{}, false
}

func appliedCondition(revision *revision, report *report) schemas.Condition {
	if nothing, is := unmanaged(schemas.ConditionApplied, revision); is {
		return nothing
	}
	if report.failure != "" {
		return condition(schemas.ConditionApplied, "False", "Failed", report.failure)
	}
	if report.applied {
		return condition(schemas.ConditionApplied, "True", "Applied", "")
	}
	return unfinished(schemas.ConditionApplied, report, func(layer judgement) bool { return !layer.accepted })
}

func healthyCondition(revision *revision, report *report, body schemas.AgentStatusBody) schemas.Condition {
	if nothing, is := unmanaged(schemas.ConditionHealthy, revision); is {
		return nothing
	}
	unhealthy := func(layer judgement) bool { return layer.status.Phase != schemas.LayerHealthy }
	for _, layer := range report.layers {
		if unhealthy(layer) {
			return unfinished(schemas.ConditionHealthy, report, unhealthy)
		}
	}
	if report.failure != "" {
		return condition(schemas.ConditionHealthy, "Unknown", "Failed", report.failure)
	}
	return condition(schemas.ConditionHealthy, "True", "Healthy", fmt.Sprintf("%d layers are healthy", len(body.Layers)))
}

// unfinished names the first layer that is behind, a failed one before others.
func unfinished(kind string, report *report, behind func(judgement) bool) schemas.Condition {
	var worst *judgement
	for i, layer := range report.layers {
		if !behind(layer) {
			continue
		}
		if worst == nil || layer.status.Phase == schemas.LayerFailed && worst.status.Phase != schemas.LayerFailed {
			worst = &report.layers[i]
		}
	}
	if worst == nil {
		return condition(kind, "False", "Progressing", "")
	}
	reason := string(worst.status.Phase)
	if worst.status.Phase == schemas.LayerHealthy {
		reason = "Progressing"
	}
	return condition(kind, "False", reason, fmt.Sprintf("layer %s: %s", worst.status.Name, worst.status.Message))
}

func prunedCondition(revision *revision, report *report) schemas.Condition {
	if nothing, is := unmanaged(schemas.ConditionPruned, revision); is {
		return nothing
	}
	prune := report.prune
	switch {
	case prune.pending != nil:
		return condition(schemas.ConditionPruned, "False", "PendingApproval", prune.message)
	case !prune.done:
		return condition(schemas.ConditionPruned, "False", "Pending", prune.message)
	case prune.kept > 0:
		return condition(schemas.ConditionPruned, "True", "Kept", fmt.Sprintf("%d objects are kept by annotation %s", prune.kept, schemas.PruneAnnotation))
	}
	return condition(schemas.ConditionPruned, "True", "Pruned", "")
}

func driftedCondition(body schemas.AgentStatusBody) schemas.Condition {
	if body.DriftCount == 0 {
		return condition(schemas.ConditionDrifted, "False", "InSync", "")
	}
	return condition(schemas.ConditionDrifted, "True", "Drift", summary(body.Drift))
}

// stamp gives each condition the time at which its status last changed.
func stamp(next, before []schemas.Condition, now string) []schemas.Condition {
	since := map[string]schemas.Condition{}
	for _, old := range before {
		since[old.Type] = old
	}
	stamped := make([]schemas.Condition, len(next))
	for i, current := range next {
		current.LastTransitionTime = now
		if old, known := since[current.Type]; known && old.Status == current.Status && old.LastTransitionTime != "" {
			current.LastTransitionTime = old.LastTransitionTime
		}
		stamped[i] = current
	}
	return stamped
}
