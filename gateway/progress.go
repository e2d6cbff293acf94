package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
)

// begun returns the status of an incarnation before its first step, or the last
// one if that is of the same incarnation already.
func begun(last schemas.InfraStatusBody, want, subject *desired) schemas.InfraStatusBody {
	body := last
	if body.UID != subject.cluster.Spec.UID {
		body = schemas.InfraStatusBody{Phase: schemas.InfraPending}
	}
	body.Tenant = subject.cluster.Spec.Tenant
	body.UID = subject.cluster.Spec.UID
	body.Observed = want.revision()
	body.Conditions = slices.Clone(body.Conditions)
	return body
}

// progress returns the status after a step. What a failed step could not find
// out stays as it was last known.
func progress(last schemas.InfraStatusBody, want, subject *desired, p plan, seen providers.Observation, stepErr error, now time.Time) schemas.InfraStatusBody {
	body := begun(last, want, subject)
	previous := body.Conditions
	var conditions []schemas.Condition
	switch {
	case p.action == actNothing:
		conditions = slices.Clone(previous)
	case p.action == actWait:
		body.Phase = schemas.InfraDeleting
		conditions = append([]schemas.Condition{notReady("Ended", "the cluster was removed")}, previous...)
	case stepErr != nil:
		if p.action == actDelete {
			body.Phase = schemas.InfraDeleting
		}
		conditions = append([]schemas.Condition{unknown(stepErr)}, previous...)
	default:
		body = observed(body, seen)
		conditions = append(slices.Clone(seen.Conditions), summary(seen.Phase))
	}
	own := []schemas.Condition{verified}
	if !p.deadline.IsZero() {
		own = append(own, ending(p, want, subject))
	}
	if p.action == actConverge {
		conditions = without(conditions, conditionEnded)
	}
	if len(seen.Nodes) > maxNodes {
		own = append(own, unlisted(len(seen.Nodes)))
	}
	body.Conditions = merge(previous, append(own, conditions...), now)
	return body
}

// observed takes over what a provider saw. Values that it may not be able to
// see at the moment (a control plane that is starting again) are kept.
func observed(body schemas.InfraStatusBody, seen providers.Observation) schemas.InfraStatusBody {
	body.Phase = cmp.Or(seen.Phase, body.Phase)
	body.Nodes = slices.Clone(seen.Nodes)
	slices.SortFunc(body.Nodes, func(a, b schemas.NodeStatus) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Pool, b.Pool))
	})
	body.Nodes = body.Nodes[:min(len(body.Nodes), maxNodes)]
	if body.Phase == schemas.InfraDeleted {
		body.Endpoint, body.KubernetesVersion = "", ""
		return body
	}
	body.Endpoint = cmp.Or(seen.Endpoint, body.Endpoint)
	body.KubernetesVersion = cmp.Or(seen.KubernetesVersion, body.KubernetesVersion)
	body.AgentPublicKey = cmp.Or(seen.AgentPublicKey, body.AgentPublicKey)
	return body
}

// refused returns the status when the desired branch could not be read or
// followed: nothing changes but what is said of the branch.
func refused(last schemas.InfraStatusBody, cause error, now time.Time) schemas.InfraStatusBody {
	reason := reasonReadFailed
	var r *refusal
	if errors.As(cause, &r) {
		reason = r.reason
	}
	fetched := schemas.Condition{Type: schemas.ConditionFetched, Status: conditionFalse, Reason: reason, Message: cause.Error()}
	body := last
	body.Conditions = merge(last.Conditions, append([]schemas.Condition{fetched}, last.Conditions...), now)
	return body
}

// unknown is the condition after a step that failed.
func unknown(stepErr error) schemas.Condition {
	reason := "ProviderError"
	if errors.Is(stepErr, context.DeadlineExceeded) {
		reason = "ProviderTimeout"
	}
	return schemas.Condition{Type: schemas.ConditionReady, Status: conditionUnknown, Reason: reason, Message: stepErr.Error()}
}

// summary is the Ready condition for a provider that gave none.
func summary(phase schemas.InfraPhase) schemas.Condition {
	switch phase {
	case schemas.InfraReady, schemas.InfraUpdating:
		return schemas.Condition{Type: schemas.ConditionReady, Status: conditionTrue, Reason: string(phase)}
	}
	return notReady(cmp.Or(string(phase), "Unobserved"), "")
}

// ending tells when the infrastructure is taken down. The time is that of the
// plan and stays the same from step to step.
func ending(p plan, want, subject *desired) schemas.Condition {
	uid := subject.cluster.Spec.UID
	message := fmt.Sprintf("the infrastructure of uid %s is deleted at %s", uid, p.deadline.UTC().Format(time.RFC3339))
	if replacement := want.cluster.Spec.UID; replacement != uid {
		message += fmt.Sprintf("; then uid %s is made", replacement)
	}
	return schemas.Condition{Type: conditionEnded, Status: conditionTrue, Reason: "Tombstone", Message: message}
}
