package gateway

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"branchline.dev/branchline/schemas"
)

// hiding is a Source that can lose all branches.
type hiding struct {
	Source
	hide atomic.Bool
}

func (h *hiding) Tips(ctx context.Context) (map[string]string, error) {
	if h.hide.Load() {
		return map[string]string{}, nil
	}
	return h.Source.Tips(ctx)
}

func TestMergeConditions(t *testing.T) {
	then, now := start, start.Add(time.Hour)
	condition := func(kind, status, reason string, when time.Time) schemas.Condition {
		c := schemas.Condition{Type: kind, Status: status, Reason: reason}
		if !when.IsZero() {
			c.LastTransitionTime = at(when)
		}
		return c
	}
	var unset time.Time
	cases := map[string]struct {
		reason               string
		previous, next, want []schemas.Condition
	}{
		"same status": {
			"another reason is no transition",
			[]schemas.Condition{condition("Ready", "False", "Starting", then)},
			[]schemas.Condition{condition("Ready", "False", "Stopping", unset)},
			[]schemas.Condition{condition("Ready", "False", "Stopping", then)},
		},
		"other status": {
			"a transition has its own time",
			[]schemas.Condition{condition("Ready", "False", "Starting", then)},
			[]schemas.Condition{condition("Ready", "True", "Running", unset)},
			[]schemas.Condition{condition("Ready", "True", "Running", now)},
		},
		"order": {
			"Ready first, then by name, whatever the provider's order",
			nil,
			[]schemas.Condition{condition("Nodes", "True", "r", unset), condition("Etcd", "True", "r", unset), condition("Ready", "True", "r", unset)},
			[]schemas.Condition{condition("Ready", "True", "r", now), condition("Etcd", "True", "r", now), condition("Nodes", "True", "r", now)},
		},
		"said twice": {
			"the first of a type counts",
			nil,
			[]schemas.Condition{condition("Ready", "True", "first", unset), condition("Ready", "False", "second", unset)},
			[]schemas.Condition{condition("Ready", "True", "first", now)},
		},
		"time of the provider": {
			"transition times are the gateway's",
			nil,
			[]schemas.Condition{condition("Ready", "True", "r", then)},
			[]schemas.Condition{condition("Ready", "True", "r", now)},
		},
		"gone": {
			"what is not said any more is dropped",
			[]schemas.Condition{condition("Nodes", "True", "r", then)},
			[]schemas.Condition{condition("Ready", "True", "r", unset)},
			[]schemas.Condition{condition("Ready", "True", "r", now)},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, merge(c.previous, c.next, now)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

func TestShorten(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain", "plain"},
		{"two\nlines\x1b[31m", "two lines [31m"},
		{"invalid \xff byte", "invalid \uFFFD byte"},
		{strings.Repeat("x", maxMessage+1), strings.Repeat("x", maxMessage-3) + "…"},
	} {
		if got := shorten(c.in); got != c.want {
			t.Errorf("shorten(%q) = %q, want %q", c.in, got, c.want)
		}
	}
	for n := range 8 {
		got := shorten(strings.Repeat("x", n) + strings.Repeat("é€", maxMessage))
		if len(got) > maxMessage || !utf8.ValidString(got) {
			t.Errorf("%d bytes, valid %v", len(got), utf8.ValidString(got))
		}
	}
}

func TestDue(t *testing.T) {
	body := schemas.InfraStatusBody{UID: uidA, Sequence: 4, Phase: schemas.InfraReady, Conditions: []schemas.Condition{{Type: "Ready", Message: "m"}}}
	last := written{commit: "c", when: start, body: body}
	edited := func(edit func(*schemas.InfraStatusBody)) schemas.InfraStatusBody {
		next := body
		next.Conditions = []schemas.Condition{body.Conditions[0]}
		edit(&next)
		return next
	}
	cases := map[string]struct {
		last written
		next schemas.InfraStatusBody
		age  time.Duration
		want bool
	}{
		"none written yet":       {written{}, body, 0, true},
		"unchanged":              {last, body, 9 * time.Minute, false},
		"heartbeat":              {last, body, 10 * time.Minute, true},
		"sequence alone":         {last, edited(func(b *schemas.InfraStatusBody) { b.Sequence = 9; b.Previous = "p" }), 0, false},
		"empty instead of nil":   {last, edited(func(b *schemas.InfraStatusBody) { b.Nodes = []schemas.NodeStatus{} }), 0, false},
		"phase":                  {last, edited(func(b *schemas.InfraStatusBody) { b.Phase = schemas.InfraDegraded }), 0, true},
		"message, soon":          {last, edited(func(b *schemas.InfraStatusBody) { b.Conditions[0].Message = "n" }), 59 * time.Second, false},
		"message, later":         {last, edited(func(b *schemas.InfraStatusBody) { b.Conditions[0].Message = "n" }), time.Minute, true},
		"clock was set back":     {last, edited(func(b *schemas.InfraStatusBody) { b.Phase = schemas.InfraDegraded }), -time.Hour, true},
		"deleted needs no pulse": {written{"c", start, schemas.InfraStatusBody{Phase: schemas.InfraDeleted}}, schemas.InfraStatusBody{Phase: schemas.InfraDeleted}, 9999 * time.Hour, false},
	}
	for name, c := range cases {
		if got := due(c.last, c.next, start.Add(c.age), 10*time.Minute); got != c.want {
			t.Errorf("%s: due is %v, want %v", name, got, c.want)
		}
	}
}

func TestBackoff(t *testing.T) {
	lowest := func() float64 { return 0 }
	highest := func() float64 { return 0.999 }
	for _, c := range []struct {
		failures int
		want     time.Duration
	}{{1, time.Second}, {2, 2 * time.Second}, {5, 16 * time.Second}, {8, 2 * time.Minute}, {1 << 40, 2 * time.Minute}} {
		longest, shortest := backoff(c.failures, lowest), backoff(c.failures, highest)
		if longest != c.want || shortest < c.want/2 {
			t.Errorf("after %d failures: %v to %v, want half of %v to all of it", c.failures, shortest, longest, c.want)
		}
	}
}
