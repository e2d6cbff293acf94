// Package fleet reads what a tenant repository says of its clusters - desired
// state, infrastructure status, agent status - and sums it up for people.
// Statuses are believed only if the key that the chain of trust names has
// signed them.
package fleet

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// State is one word for how a cluster is.
type State string

// The states of a cluster.
const (
	StateReady        State = "Ready"        // runs exactly what is desired, and is healthy
	StateProvisioning State = "Provisioning" // infrastructure is being made
	StateWaiting      State = "Waiting"      // the agent has not reported yet
	StatePending      State = "Pending"      // the agent has not seen the newest desired state
	StateApplying     State = "Applying"     // being applied, or not healthy yet
	StateFailing      State = "Failing"      // something was refused
	StateDrifted      State = "Drifted"      // differs from what is desired, and policy says to leave it
	StateApproval     State = "Approval"     // waits for a person
	StateStale        State = "Stale"        // the status has not moved for long
	StateUntrusted    State = "Untrusted"    // the status is not signed as it should be
	StateDeleting     State = "Deleting"     // removed from main, being taken down
	StateDeleted      State = "Deleted"      // nothing is left
)

// staleAfter is three missed heartbeats of an agent (10 min each).
const staleAfter = 30 * time.Minute

// Cluster is what is known of one cluster.
type Cluster struct {
	Name    string `json:"name"`
	State   State  `json:"state"`
	Message string `json:"message,omitempty"`
	Cloud   string `json:"cloud,omitempty"`
	// Desired and Applied are the generations of the desired branch.
	Desired int64 `json:"desiredGeneration"`
	Applied int64 `json:"appliedGeneration"`
	// Source is the commit on main that is applied.
	Source  string `json:"source,omitempty"`
	Objects int    `json:"objects"`
	// UpdatedAt is when the agent last reported (RFC 3339), empty if it never did.
	UpdatedAt string                   `json:"updatedAt,omitempty"`
	Infra     *schemas.InfraStatusBody `json:"infrastructure,omitempty"`
	Agent     *schemas.AgentStatusBody `json:"agent,omitempty"`
	updated   time.Time
}

// evidence is all that the refs of one cluster hold; what is missing is nil.
type evidence struct {
	desired *schemas.DesiredCluster
	cloud   string
	infra   *schemas.InfraStatus
	agent   *schemas.AgentStatus
	// agentRaw is the commit object that holds agent, agentTime its time.
	agentRaw  []byte
	agentTime time.Time
	// infraRaw is the commit object that holds infra.
	infraRaw []byte
}

// summarise is a pure function of the evidence and the time.
func summarise(name string, e evidence, now time.Time) Cluster {
	cluster := Cluster{Name: name, Cloud: e.cloud}
	if e.desired == nil {
		cluster.State, cluster.Message = StateWaiting, "nothing is rendered yet"
		return cluster
	}
	cluster.Desired = e.desired.Spec.Generation
	cluster.Objects = e.desired.Spec.Objects
	if e.infra != nil {
		cluster.Infra = &e.infra.Status
	}
	if e.agent != nil {
		cluster.Agent = &e.agent.Status
		cluster.Applied = e.agent.Status.Applied.Generation
		cluster.Source = e.agent.Status.Applied.Source
		cluster.updated = e.agentTime
		cluster.UpdatedAt = e.agentTime.UTC().Format(time.RFC3339)
	}
	cluster.State, cluster.Message = judge(e, now)
	return cluster
}

// judge asks the questions in the order in which one makes the next pointless.
func judge(e evidence, now time.Time) (State, string) {
	if err := untrusted(e); err != nil {
		return StateUntrusted, err.Error()
	}
	if e.desired.Spec.Tombstone != nil {
		if e.infra != nil && e.infra.Status.Phase == schemas.InfraDeleted {
			return StateDeleted, "removed from main; nothing is left"
		}
		return StateDeleting, cmp.Or(infraMessage(e.infra), "removed from main")
	}
	if e.agent == nil || e.agent.Status.UID != e.desired.Spec.UID {
		if e.infra == nil || e.infra.Status.Phase != schemas.InfraReady {
			return StateProvisioning, infraMessage(e.infra)
		}
		return StateWaiting, "the agent has not reported yet"
	}
	if agentKey(e) == "" {
		return StateWaiting, "the agent reports, but its key is not on record yet"
	}
	return judgeAgent(e, now)
}

func judgeAgent(e evidence, now time.Time) (State, string) {
	status := &e.agent.Status
	ready := condition(status.Conditions, schemas.ConditionReady)
	switch {
	case now.Sub(e.agentTime) > staleAfter:
		return StateStale, fmt.Sprintf("no report for %s; is the agent running?", now.Sub(e.agentTime).Round(time.Minute))
	case conditionIs(status.Conditions, schemas.ConditionFetched, "False"):
		return StateFailing, condition(status.Conditions, schemas.ConditionFetched).Message
	case status.Observed.Generation < e.desired.Spec.Generation:
		return StatePending, fmt.Sprintf("generation %d is not fetched yet", e.desired.Spec.Generation)
	case len(status.PendingApprovals) > 0:
		p := status.PendingApprovals[0]
		return StateApproval, fmt.Sprintf("%s; to allow it, add %s to spec.approvals.deletions", p.Reason, p.Digest)
	case status.DriftCount > 0:
		return StateDrifted, fmt.Sprintf("%d objects differ, first %s", status.DriftCount, status.Drift[0].Object)
	case ready.Status == "True":
		return StateReady, ""
	}
	for _, layer := range status.Layers {
		if layer.Phase == schemas.LayerFailed {
			return StateFailing, strings.TrimSpace("layer " + layer.Name + ": " + layer.Message)
		}
	}
	return StateApplying, ready.Message
}

// untrusted follows the chain of trust: the desired state names the keys that
// sign infrastructure status, and that names the agent's key.
func untrusted(e evidence) error {
	if e.infra != nil {
		if _, err := sync.VerifyCommit(e.infraRaw, e.desired.Spec.TrustedKeys); err != nil {
			return fmt.Errorf("infrastructure status: %w", err)
		}
	}
	if e.agent == nil || agentKey(e) == "" {
		return nil // without the key the status is not believed, nor held against anybody
	}
	if _, err := sync.VerifyCommit(e.agentRaw, []string{agentKey(e)}); err != nil {
		return fmt.Errorf("agent status: %w", err)
	}
	return nil
}

// agentKey is the key that the infrastructure status vouches for, "" as long as
// it vouches for none.
func agentKey(e evidence) string {
	if e.infra == nil {
		return ""
	}
	return e.infra.Status.AgentPublicKey
}

func infraMessage(infra *schemas.InfraStatus) string {
	if infra == nil {
		return "infrastructure has not been started"
	}
	if c := condition(infra.Status.Conditions, schemas.ConditionReady); c.Message != "" {
		return c.Message
	}
	return "infrastructure: " + string(infra.Status.Phase)
}

func condition(conditions []schemas.Condition, kind string) schemas.Condition {
	for _, c := range conditions {
		if c.Type == kind {
			return c
		}
	}
	return schemas.Condition{}
}

func conditionIs(conditions []schemas.Condition, kind, status string) bool {
	return condition(conditions, kind).Status == status
}
