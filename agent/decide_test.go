package agent

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"branchline.dev/branchline/schemas"
)

func TestDecide(t *testing.T) {
	now := time.Unix(1000, 0)
	// An object at rest: applied as desired, seen as applied.
	rest := situation{
		View:    view{exists: true, synced: true, seen: 9, record: record{UID: "u", Version: 7, Owner: "us", Print: "p", Health: health{Ready: true}}},
		Tracked: tracked{Applied: "h", Version: 7, Print: "p"},
		Hash:    "h", Owner: "us", Policy: schemas.DriftHeal, Open: true, Now: now,
	}
	gone := func(s *situation) { s.View.exists, s.View.record = false, record{} }
	changed := func(s *situation) { s.View.record.Version, s.View.record.Print = 8, "q" }
	for _, test := range []struct {
		reason string
		change func(*situation)
		want   action
	}{
		{"nothing changed", func(*situation) {}, actRest},
		{"a controller wrote status", func(s *situation) { s.View.record.Version = 8 }, actRest},
		{"not listed yet: unknown is not absent", func(s *situation) { gone(s); s.View.synced = false }, actWait},
		{"another cluster's object", func(s *situation) { s.View.record.Owner = "them" }, actRefuse},
		{"another cluster's object, new desired state", func(s *situation) { s.View.record.Owner, s.Hash = "them", "h2" }, actRefuse},
		{"terminating", func(s *situation) { s.View.record.Deleting = true }, actWait},
		{"desired state changed", func(s *situation) { s.Hash = "h2" }, actApply},
		{"desired state changed, layer closed", func(s *situation) { s.Hash, s.Open = "h2", false }, actWait},
		{"desired state changed in an alert layer", func(s *situation) { s.Hash, s.Policy = "h2", schemas.DriftAlert }, actApply},
		{"failed a moment ago", func(s *situation) {
			s.Hash = "h2"
			s.Tracked.Failure, s.Tracked.FailedHash, s.Tracked.RetryAt = "no", "h2", now.Add(1)
		}, actWait},
		{"failed, the pause is over", func(s *situation) {
			s.Hash = "h2"
			s.Tracked.Failure, s.Tracked.FailedHash, s.Tracked.RetryAt = "no", "h2", now
		}, actApply},
		{"failed, another desired state now", func(s *situation) {
			s.Hash = "h3"
			s.Tracked.Failure, s.Tracked.FailedHash, s.Tracked.RetryAt = "no", "h2", now.Add(1)
		}, actApply},
		{"own write not seen yet", func(s *situation) { s.Tracked.Version, s.Tracked.Print = 8, "q" }, actWait},
		{"created, not seen yet", func(s *situation) { gone(s); s.Tracked.Version = 10 }, actWait},
		{"deleted", gone, actHeal},
		{"deleted, closed layer", func(s *situation) { gone(s); s.Open = false }, actHeal},
		{"deleted, alert", func(s *situation) { gone(s); s.Policy = schemas.DriftAlert }, actDrift},
		{"deleted, ignore", func(s *situation) { gone(s); s.Policy = schemas.DriftIgnore }, actIgnore},
		{"changed", changed, actHeal},
		{"changed, alert", func(s *situation) { changed(s); s.Policy = schemas.DriftAlert }, actCheck},
		{"changed, alert, checked before", func(s *situation) {
			changed(s)
			s.Policy, s.Tracked.Drift, s.Tracked.DriftPrint = schemas.DriftAlert, "differs", "q"
		}, actDrift},
		{"changed, ignore", func(s *situation) { changed(s); s.Policy = schemas.DriftIgnore }, actIgnore},
		{"nothing changed, ignore", func(s *situation) { s.Policy = schemas.DriftIgnore }, actRest},
		{"after a restart, ignore", func(s *situation) {
			s.Tracked = tracked{Applied: "h"}
			s.Policy = schemas.DriftIgnore
		}, actIgnore},
		{"changed after a restart", func(s *situation) { s.Tracked = tracked{Applied: "h"} }, actHeal},
		{"after a restart, alert", func(s *situation) {
			s.Tracked = tracked{Applied: "h"}
			s.Policy = schemas.DriftAlert
		}, actCheck},
		{"changed again and again", func(s *situation) {
			changed(s)
			s.Tracked.Heals, s.Tracked.HealedAt = heals, now
		}, actDrift},
	} {
		t.Run(test.reason, func(t *testing.T) {
			s := rest
			test.change(&s)
			if got := decide(s); got.Do != test.want {
				t.Errorf("decide gives %d (%s), want %d", got.Do, got.Reason, test.want)
			}
		})
	}
}

func TestFightSlowsDown(t *testing.T) {
	now := time.Unix(1000, 0)
	var known tracked
	var pauses []time.Duration
	for range 14 {
		known = known.succeeded("h", 1, "p", true, now)
		pause := max(0, nextHeal(known).Sub(now))
		pauses = append(pauses, pause)
		now = now.Add(pause)
	}
	s := time.Second
	want := []time.Duration{0, 0, 0, 0, s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 60 * s, 60 * s, 60 * s, 60 * s}
	if diff := cmp.Diff(want, pauses); diff != "" {
		t.Errorf("pauses between heals: %s", diff)
	}
	known = known.succeeded("h", 1, "p", true, now.Add(time.Hour))
	if known.Heals != 1 {
		t.Errorf("%d heals count after an hour of peace, want 1", known.Heals)
	}
}

func TestPruneSteps(t *testing.T) {
	ours := record{UID: "u", Owner: "us"}
	for _, test := range []struct {
		reason string
		entry  entry
		view   view
		want   pruneStep
	}{
		{"unknown is never absent", entry{UID: "u"}, view{}, pruneUnknown},
		{"not seen", entry{UID: "u"}, view{synced: true}, pruneConfirm},
		{"ours", entry{UID: "u"}, view{synced: true, exists: true, record: ours}, pruneDelete},
		{"UID was never stored", entry{}, view{synced: true, exists: true, record: ours}, pruneDelete},
		{"other UID", entry{UID: "v"}, view{synced: true, exists: true, record: ours}, pruneRelease},
		{"other owner", entry{UID: "u"}, view{synced: true, exists: true, record: record{UID: "u", Owner: "them"}}, pruneRelease},
		{"no owner", entry{UID: "u"}, view{synced: true, exists: true, record: record{UID: "u"}}, pruneRelease},
		{"terminating", entry{UID: "u"}, view{synced: true, exists: true, record: record{UID: "u", Owner: "us", Deleting: true}}, pruneHeld},
		{"protected", entry{UID: "u"}, view{synced: true, exists: true, record: record{UID: "u", Owner: "us", Keep: true}}, pruneKeep},
	} {
		t.Run(test.reason, func(t *testing.T) {
			if got := stepFor(test.entry, test.view, "us"); got != test.want {
				t.Errorf("stepFor gives %d, want %d", got, test.want)
			}
		})
	}
}
