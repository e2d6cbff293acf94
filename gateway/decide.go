package gateway

import (
	"time"

	"branchline.dev/branchline/schemas"
)

// action is what one step does.
type action int

const (
	actConverge action = iota // ask the provider to bring about what is desired
	actWait                   // the cluster has ended; its grace period has not
	actDelete                 // ask the provider to take everything down
	actNothing                // nothing is left
)

// plan is an action and, if the cluster has ended, since when that is known and
// when it is taken down.
type plan struct {
	action   action
	ended    time.Time
	deadline time.Time
}

// decide chooses the action for an incarnation of a cluster from what was last
// reported.
//
// The grace period counts from the time in the tombstone, but not from before
// the gateway first reported it: that time comes from a person's clock, and a
// gateway that was away must not delete at the moment it returns.
func decide(d *desired, last schemas.InfraStatusBody, now time.Time, grace time.Duration) (plan, error) {
	tombstone := d.cluster.Spec.Tombstone
	if tombstone == nil {
		return plan{action: actConverge}, nil
	}
	if last.UID == d.cluster.Spec.UID && last.Phase == schemas.InfraDeleted {
		return plan{action: actNothing}, nil
	}
	deletedAt, err := time.Parse(time.RFC3339, tombstone.DeletedAt)
	if err != nil {
		return plan{}, refuse(reasonMalformed, "the tombstone's deletedAt is not a time (RFC 3339): %q", tombstone.DeletedAt)
	}
	p := plan{action: actDelete, ended: firstReported(d, last, now)}
	p.deadline = p.ended
	if deletedAt.After(p.deadline) {
		p.deadline = deletedAt
	}
	p.deadline = p.deadline.Add(max(grace, 0))
	if now.Before(p.deadline) {
		p.action = actWait
	}
	return p, nil
}

// firstReported is when the end of the cluster was first reported, now if it
// was not yet.
func firstReported(d *desired, last schemas.InfraStatusBody, now time.Time) time.Time {
	if last.UID != d.cluster.Spec.UID {
		return now
	}
	for _, c := range last.Conditions {
		if c.Type != conditionEnded || c.Status != conditionTrue {
			continue
		}
		if at, err := time.Parse(time.RFC3339, c.LastTransitionTime); err == nil {
			return at
		}
	}
	return now
}
