package gateway

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
)

func TestRemovedClusterIsTakenDownAfterItsGracePeriod(t *testing.T) {
	for name, tombstone := range map[string]desire{
		"tombstone with infrastructure":    {generation: 2, tombstone: at(start)},
		"tombstone without infrastructure": {generation: 2, tombstone: at(start), noInfrastructure: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.publish(desire{})
			w.mustStep()
			w.cloud.take()

			w.publish(tombstone)
			if next := w.mustStep(); next != time.Hour {
				t.Errorf("next step after %v, want the grace period", next)
			}
			body, _ := w.status("dev")
			if c := find(body, "Ended"); body.Phase != schemas.InfraDeleting || !strings.Contains(c.Message, "2026-03-01T13:00:00Z") {
				t.Errorf("phase %s, Ended %+v; want Deleting and when", body.Phase, c)
			}
			if len(body.Nodes) == 0 || body.Endpoint == "" {
				t.Error("the status forgot what still exists")
			}
			w.clock = start.Add(59 * time.Minute)
			w.restart()
			w.mustStep()
			if calls := w.cloud.take(); calls != nil {
				t.Fatalf("within the grace period the provider was called: %v", calls)
			}

			w.clock = start.Add(time.Hour)
			w.cloud.delete = func(context.Context, providers.Cluster) (providers.Observation, error) {
				return providers.Observation{Phase: schemas.InfraDeleting, RequeueAfter: time.Second}, nil
			}
			w.mustStep()
			w.cloud.delete = newCloud().delete
			w.mustStep()
			body, tip := w.status("dev")
			if body.Phase != schemas.InfraDeleted || body.Nodes != nil || body.Endpoint != "" {
				t.Errorf("after the deletion: %+v", body)
			}
			if diff := cmp.Diff([]string{"delete dev", "delete dev"}, w.cloud.take()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}

			w.clock = start.Add(1000 * time.Hour)
			w.restart()
			w.mustStep()
			if _, now := w.status("dev"); now != tip || w.cloud.take() != nil {
				t.Error("a cluster that is gone is still worked on")
			}
		})
	}
}

func find(body schemas.InfraStatusBody, kind string) schemas.Condition {
	for _, c := range body.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return schemas.Condition{}
}

func TestGatewayThatWasAwayGivesTheWholeGracePeriod(t *testing.T) {
	w := newWorld(t)
	w.publish(desire{})
	w.mustStep()
	w.cloud.take()
	w.publish(desire{generation: 2, tombstone: at(start.Add(-30 * 24 * time.Hour))})
	if next := w.mustStep(); next != time.Hour {
		t.Errorf("next step after %v, want the grace period", next)
	}
	if calls := w.cloud.take(); calls != nil {
		t.Errorf("provider was called: %v", calls)
	}
}

func TestFailedDeletionGoesOn(t *testing.T) {
	w := newWorld(t)
	w.options.DeletionGrace = -1
	w.publish(desire{})
	w.mustStep()
	w.publish(desire{generation: 2, tombstone: at(start)})
	w.cloud.delete = func(context.Context, providers.Cluster) (providers.Observation, error) {
		return providers.Observation{}, errors.New("network is in use by a load balancer")
	}
	if _, err := w.step(); err == nil {
		t.Fatal("want an error")
	}
	body, _ := w.status("dev")
	if c := find(body, "Ready"); body.Phase != schemas.InfraDeleting || !strings.Contains(c.Message, "load balancer") {
		t.Errorf("phase %s, Ready %+v; want Deleting and the reason", body.Phase, c)
	}
	w.cloud.delete = newCloud().delete
	w.mustStep()
	if body, _ := w.status("dev"); body.Phase != schemas.InfraDeleted {
		t.Errorf("phase %s, want Deleted", body.Phase)
	}
}

func TestClusterThatIsMadeAgainWaitsForTheOldOneToEnd(t *testing.T) {
	w := newWorld(t)
	w.publish(desire{})
	w.mustStep()
	w.publish(desire{generation: 2, tombstone: at(start), noInfrastructure: true})
	// The gateway sees the branch again only after the cluster was added again.
	commit := w.publish(desire{generation: 3, uid: uidB})
	w.cloud.take()
	w.mustStep()
	body, _ := w.status("dev")
	if c := find(body, "Ended"); body.UID != uidA || body.Observed.Commit != commit || !strings.Contains(c.Message, uidB) {
		t.Errorf("uid %s, observed %s, Ended %+v; want the old uid, the new commit and both uids named", body.UID, body.Observed.Commit, c)
	}

	w.clock = start.Add(time.Hour)
	w.mustStep()
	if diff := cmp.Diff([]string{uidA}, w.cloud.uids); diff != "" {
		t.Errorf("uids acted on (-want +got):\n%s", diff)
	}
	old, _ := w.status("dev")
	w.restart()
	w.mustStep()
	body, _ = w.status("dev")
	if body.UID != uidB || body.Phase != schemas.InfraReady || body.Sequence <= old.Sequence {
		t.Errorf("uid %s, phase %s, sequence %d after %d; want the new cluster Ready", body.UID, body.Phase, body.Sequence, old.Sequence)
	}
	if c := find(body, "Ended"); c.Type != "" {
		t.Errorf("the new cluster is reported as ended: %+v", c)
	}
	if !slices.Equal(w.cloud.take(), []string{"delete dev", "converge dev"}) {
		t.Error("want the old cluster deleted, then the new one made")
	}
}

func TestDecide(t *testing.T) {
	hour := time.Hour
	with := func(deletedAt string) *desired {
		d := &desired{}
		d.cluster.Spec.UID = uidA
		if deletedAt != "" {
			d.cluster.Spec.Tombstone = &schemas.Tombstone{UID: uidA, DeletedAt: deletedAt}
		}
		return d
	}
	reported := func(uid string, phase schemas.InfraPhase, ended time.Time) schemas.InfraStatusBody {
		return schemas.InfraStatusBody{UID: uid, Phase: phase, Conditions: []schemas.Condition{
			{Type: conditionEnded, Status: "True", LastTransitionTime: at(ended)},
		}}
	}
	cases := map[string]struct {
		reason  string
		desired *desired
		last    schemas.InfraStatusBody
		grace   time.Duration
		want    plan
		refused bool
	}{
		"alive": {
			"a cluster that no commit ended is converged", with(""), schemas.InfraStatusBody{}, hour,
			plan{action: actConverge}, false,
		},
		"just ended": {
			"the grace period begins when the end is first seen", with(at(start)), schemas.InfraStatusBody{UID: uidA}, hour,
			plan{actWait, start, start.Add(hour)}, false,
		},
		"reported a while ago": {
			"the time of the first report is kept", with(at(start)), reported(uidA, schemas.InfraDeleting, start.Add(-50*time.Minute)), hour,
			plan{actWait, start.Add(-50 * time.Minute), start.Add(hour)}, false,
		},
		"grace period is over": {
			"both times lie further back", with(at(start.Add(-2 * hour))), reported(uidA, schemas.InfraDeleting, start.Add(-hour)), hour,
			plan{actDelete, start.Add(-hour), start}, false,
		},
		"report of another cluster": {
			"another incarnation's end says nothing of this one", with(at(start.Add(-2 * hour))), reported(uidB, schemas.InfraDeleting, start.Add(-2*hour)), hour,
			plan{actWait, start, start.Add(hour)}, false,
		},
		"from the future": {
			"a tombstone from a clock that is ahead only delays", with(at(start.Add(3 * hour))), reported(uidA, schemas.InfraDeleting, start), hour,
			plan{actWait, start, start.Add(4 * hour)}, false,
		},
		"no grace": {
			"a negative grace period is none", with(at(start)), schemas.InfraStatusBody{UID: uidA}, -1,
			plan{actDelete, start, start}, false,
		},
		"gone": {
			"nothing is left to do", with(at(start)), reported(uidA, schemas.InfraDeleted, start), hour,
			plan{action: actNothing}, false,
		},
		"gone, but another": {
			"the cluster that is gone was another", with(at(start.Add(-9 * hour))), reported(uidB, schemas.InfraDeleted, start.Add(-9*hour)), hour,
			plan{actWait, start, start.Add(hour)}, false,
		},
		"no time": {
			"without a time nothing is deleted", with("soon"), schemas.InfraStatusBody{UID: uidA}, hour, plan{}, true,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := decide(c.desired, c.last, start, c.grace)
			if (err != nil) != c.refused {
				t.Fatalf("%s: error %v", c.reason, err)
			}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(plan{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}
