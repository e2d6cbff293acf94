// Package fleet reads what a tenant repository says of its clusters - desired
// state, infrastructure status, agent status - and sums it up for people. What
// is shown is signed by the key that the chain of trust names, and is of this
// cluster, tenant and incarnation. What is not, and what cannot be read, makes
// the state of that cluster Untrusted or Unknown and is left out otherwise.
package fleet

import (
	"errors"
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
	StateUntrusted    State = "Untrusted"    // something is not signed as it should be, or is another cluster's
	StateUnknown      State = "Unknown"      // something cannot be read
	StateDeleting     State = "Deleting"     // removed from main, being taken down
	StateDeleted      State = "Deleted"      // nothing is left
)

// staleAfter is three missed heartbeats of an agent (10 min each).
const staleAfter = 30 * time.Minute

// maxMessage is the most bytes of a message that are shown: agents keep theirs
// below 400.
const maxMessage = 1000

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

// summarise is a pure function of the evidence, of the flaw that ended its
// gathering, if one did, and of the time.
func summarise(name string, e evidence, flaw error, now time.Time) Cluster {
	cluster := Cluster{Name: name, Cloud: e.cloud, Infra: e.infra, Agent: e.agent}
	if e.desired != nil && e.desired.Tombstone != nil {
		e.agent, cluster.Agent = nil, nil // what it said of a cluster that has ended only misleads
	}
	if e.desired != nil {
		cluster.Desired = e.desired.Generation
		cluster.Objects = e.desired.Objects
	}
	if e.agent != nil {
		cluster.Applied = e.agent.Applied.Generation
		cluster.Source = e.agent.Applied.Source
		cluster.updated = e.agentTime
		cluster.UpdatedAt = e.agentTime.UTC().Format(time.RFC3339)
	}
	switch {
	case errors.Is(flaw, sync.ErrUntrusted):
		cluster.State, cluster.Message = StateUntrusted, flaw.Error()
	case flaw != nil:
		cluster.State, cluster.Message = StateUnknown, flaw.Error()
	default:
		cluster.State, cluster.Message = judge(name, e, now)
	}
	if len(cluster.Message) > maxMessage {
		cluster.Message = strings.ToValidUTF8(cluster.Message[:maxMessage], "") + "…"
	}
	return cluster
}

// judge asks the questions in the order in which one makes the next pointless.
func judge(name string, e evidence, now time.Time) (State, string) {
	if e.desired.Tombstone != nil {
		if e.infra != nil && e.infra.Phase == schemas.InfraDeleted {
			return StateDeleted, "removed from main; nothing is left"
		}
		if e.infra == nil {
			return StateDeleting, "removed from main"
		}
		return StateDeleting, infraMessage(e.infra)
	}
	if e.unvouched {
		return StateWaiting, "the agent reports, but its key is not on record yet"
	}
	if e.agent == nil {
		if e.infra == nil || e.infra.Phase != schemas.InfraReady {
			return StateProvisioning, infraMessage(e.infra)
		}
		return StateWaiting, "the agent has not reported yet"
	}
	return judgeAgent(name, e, now)
}

func judgeAgent(name string, e evidence, now time.Time) (State, string) {
	status := e.agent
	ready := condition(status.Conditions, schemas.ConditionReady)
	switch {
	case now.Sub(e.agentTime) > staleAfter:
		return StateStale, fmt.Sprintf("no report for %s; is the agent running?", now.Sub(e.agentTime).Round(time.Minute))
	case conditionIs(status.Conditions, schemas.ConditionFetched, "False"):
		return StateFailing, condition(status.Conditions, schemas.ConditionFetched).Message
	case status.Observed.Generation < e.desired.Generation:
		return StatePending, fmt.Sprintf("generation %d is not fetched yet", e.desired.Generation)
	case len(status.PendingApprovals) > 0:
		p := status.PendingApprovals[0]
		return StateApproval, fmt.Sprintf("%s; \"branchline status %s\" shows what, and how to allow it", p.Reason, name)
	}
	for _, layer := range status.Layers {
		if layer.Phase == schemas.LayerFailed {
			return StateFailing, strings.TrimSpace("layer " + layer.Name + ": " + layer.Message)
		}
	}
	switch {
	case status.DriftCount > 0:
		return StateDrifted, driftMessage(status)
	case ready.Status == "True":
		return StateReady, ""
	}
	return StateApplying, ready.Message
}

// driftMessage relies on neither list nor count: an agent cuts lists to fit, and
// a later one may leave them out.
func driftMessage(status *schemas.AgentStatusBody) string {
	if len(status.Drift) == 0 {
		return fmt.Sprintf("%d objects differ", status.DriftCount)
	}
	return fmt.Sprintf("%d objects differ, first %s", status.DriftCount, status.Drift[0].Object)
}

func infraMessage(infra *schemas.InfraStatusBody) string {
	if infra == nil {
		return "infrastructure has not been started"
	}
	if c := condition(infra.Conditions, schemas.ConditionReady); c.Message != "" {
		return c.Message
	}
	return "infrastructure: " + string(infra.Phase)
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
