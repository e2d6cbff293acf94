package agent

import (
	"fmt"
	"strings"
	"time"

	"branchline.dev/branchline/schemas"
)

// tracked is what the agent knows of its own work on one desired object.
type tracked struct {
	// Applied is the hash of the desired object that was last accepted.
	Applied string
	// Version and Print are of the live object that is known to agree with it.
	Version uint64
	Print   string
	// Failure of the last attempt, its number in a row, what was attempted and when to try again.
	Failure    string
	Failures   int
	FailedHash string
	RetryAt    time.Time
	// Drift that policy leaves alone, and the live object it was found in.
	Drift      string
	DriftPrint string
	// Heals in a row, to slow down a fight with another manager.
	Heals    int
	HealedAt time.Time
}

// action is what to do about one object.
type action int

const (
	actRest   action = iota // nothing, all is as it should be
	actWait                 // nothing yet, the reason says for what
	actRefuse               // nothing ever, the reason says why
	actApply                // send a desired state that was not sent before
	actHeal                 // send it again, the live object changed
	actCheck                // find out whether the live object differs, change nothing
	actDrift                // leave the difference and report it
	actIgnore               // leave the difference and say nothing, but never take it for agreement
)

// decision is an action with the reason to show and, if time alone can change
// it, when to decide again.
type decision struct {
	Do     action
	Reason string
	Again  time.Time
}

// situation is all that a decision depends on.
type situation struct {
	View    view
	Tracked tracked
	Hash    string // of the desired object
	Owner   string // UID of this cluster
	Policy  schemas.DriftPolicy
	Open    bool // new desired state may be applied
	Now     time.Time
}

// decide compares what is desired, what was done and what is seen of one
// object. At rest it needs no call to the API server.
func decide(s situation) decision {
	seen, known := s.View.record, s.Tracked
	switch {
	case !s.View.synced:
		return decision{Do: actWait, Reason: "live objects of this kind are not listed yet"}
	case s.View.exists && seen.Owner != s.Owner:
		return decision{Do: actRefuse, Reason: fmt.Sprintf("is owned by cluster UID %q: remove its label %s to hand it over", seen.Owner, schemas.OwnerLabel)}
	case s.View.exists && seen.Deleting:
		return decision{Do: actWait, Reason: "is being deleted" + heldBy(seen.Finalizers)}
	case known.Applied != s.Hash && !s.Open:
		return decision{Do: actWait, Reason: "its layer is not open yet"}
	case known.Failure != "" && known.FailedHash == s.Hash && s.Now.Before(known.RetryAt):
		return decision{Do: actWait, Reason: known.Failure, Again: known.RetryAt}
	case known.Applied != s.Hash:
		return decision{Do: actApply}
	case s.View.exists && seen.Version < known.Version, !s.View.exists && s.View.seen < known.Version:
		return decision{Do: actWait, Reason: "is applied, not seen yet"}
	case !s.View.exists:
		return s.drifted("was deleted, or lost its label "+schemas.OwnerLabel, "")
	case seen.Version == known.Version || seen.Print == known.Print:
		return decision{Do: actRest}
	}
	return s.drifted(known.Drift, seen.Print)
}

// drifted follows the layer's policy for an object that is not, or perhaps not,
// as it was applied. print is empty for an object that is gone.
func (s situation) drifted(reason, print string) decision {
	switch s.Policy {
	case schemas.DriftIgnore:
		return decision{Do: actIgnore}
	case schemas.DriftAlert:
		if print == "" {
			return decision{Do: actDrift, Reason: advise(reason, "set drift: heal to get it back")}
		}
		if s.Tracked.Drift == "" || s.Tracked.DriftPrint != print {
			return decision{Do: actCheck}
		}
		return decision{Do: actDrift, Reason: advise(reason, "undo the change or set drift: heal")}
	}
	if at := nextHeal(s.Tracked); s.Now.Before(at) {
		return decision{Do: actDrift, Reason: "is changed again and again by something else, the agent repairs it less and less often", Again: at}
	}
	return decision{Do: actHeal}
}

// advise adds what to do to a reason and shortens only the reason.
func advise(reason, advice string) string {
	return clipTo(reason, maxMessage-len("…; ")-len(advice)) + "; " + advice
}

// The first heals come at once. Whoever keeps changing the object back gets a
// growing pause, so that two managers do not spin against each other.
const (
	heals         = 5
	healPause     = time.Second
	maxHealPause  = time.Minute
	healsForgiven = 5 * time.Minute
)

func nextHeal(t tracked) time.Time {
	if t.Heals < heals {
		return t.HealedAt
	}
	return t.HealedAt.Add(doubled(healPause, t.Heals-heals, maxHealPause))
}

// succeeded notes that hash was accepted.
func (t tracked) succeeded(hash string, version uint64, print string, healed bool, now time.Time) tracked {
	next := tracked{Applied: hash, Version: version, Print: print, Heals: t.Heals, HealedAt: t.HealedAt}
	if healed {
		if now.Sub(t.HealedAt) > healsForgiven {
			next.Heals = 0
		}
		next.Heals++
		next.HealedAt = now
	}
	return next
}

// failed notes that hash was not accepted and when to try it again.
func (t tracked) failed(hash, reason string, now time.Time) tracked {
	if t.FailedHash != hash {
		t.Failures = 0
	}
	t.Failure, t.FailedHash = reason, hash
	t.RetryAt = now.Add(doubled(500*time.Millisecond, t.Failures, 30*time.Second))
	t.Failures++
	return t
}

// doubled gives start·2^times, at most limit.
func doubled(start time.Duration, times int, limit time.Duration) time.Duration {
	for ; times > 0 && start < limit; times-- {
		start *= 2
	}
	return min(start, limit)
}

func heldBy(finalizers []string) string {
	if len(finalizers) == 0 {
		return ""
	}
	return ", held by finalizer " + strings.Join(finalizers, ", ")
}
