package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"branchline.dev/branchline/schemas"
)

// report collects what a pass found.
type report struct {
	looked  bool // at the branch, at least once
	fetch   fetchProblem
	layers  []judgement
	applied bool // every object of the revision is accepted
	prune   pruneReport
	failure string // of the pass itself
	retry   bool   // something failed that no event will announce to be mended
}

// passRetry is when a pass that was hindered is tried again.
const passRetry = time.Second

func (r *report) trouble(log *slog.Logger, err error) {
	r.failure, r.applied, r.retry = explain(err), false, true
	if !errors.Is(err, context.Canceled) { // a newer commit or the end of the agent
		log.Warn("pass hindered", "error", r.failure)
	}
}

// status gives the body of the AgentStatus, without sequence and times, which
// the publisher adds.
func (r *Reconciler) status(report *report) schemas.AgentStatusBody {
	remembered := r.memory.get()
	observed := r.revision.name()
	if r.revision == nil {
		observed = schemas.DesiredRevision{Commit: remembered.Commit, Generation: remembered.Generation}
	}
	body := schemas.AgentStatusBody{
		Tenant: r.config.Tenant, UID: r.config.UID,
		Observed: observed, Applied: remembered.Applied, Healed: remembered.Healed,
		InventoryObjects: r.inventory.size(), AgentVersion: r.version,
		KubernetesVersion: r.kinds.Server, Nodes: r.nodes.summary(),
	}
	for _, layer := range report.layers {
		body.Layers = append(body.Layers, layer.status)
		body.Failing = append(body.Failing, layer.failing...)
		body.Drift = append(body.Drift, layer.drift...)
	}
	body.Failing = append(body.Failing, report.prune.held...)
	body.FailingCount, body.DriftCount = len(body.Failing), len(body.Drift)
	if report.prune.pending != nil {
		body.PendingApprovals = []schemas.PendingApproval{*report.prune.pending}
	}
	body.Conditions = conditions(r.revision, report, body)
	return bounded(body)
}

const (
	maxMessage   = 400 // bytes
	maxIssues    = 20
	maxLayers    = 100
	maxStatus    = 64 << 10 // bytes of the whole document
	statusMargin = 2 << 10  // for what the publisher adds
)

// bounded keeps the document within maxStatus whatever the cluster's size: long
// lists are cut, their counts are not. Layers that are not healthy stay in
// preference to those that are.
func bounded(body schemas.AgentStatusBody) schemas.AgentStatusBody {
	body.Failing = body.Failing[:min(len(body.Failing), maxIssues)]
	body.Drift = body.Drift[:min(len(body.Drift), maxIssues)]
	body.Layers = fewerLayers(body.Layers, maxLayers)
	for limit := maxLayers; size(body) > maxStatus-statusMargin && limit > 0; limit /= 2 {
		body.Failing = body.Failing[:min(len(body.Failing), limit/8)]
		body.Drift = body.Drift[:min(len(body.Drift), limit/8)]
		body.Layers = fewerLayers(body.Layers, limit)
		for i, pending := range body.PendingApprovals { // last: a person decides by it
			body.PendingApprovals[i].Sample = pending.Sample[:min(len(pending.Sample), 2*limit)]
		}
	}
	return body
}

func fewerLayers(layers []schemas.LayerStatus, limit int) []schemas.LayerStatus {
	surplus := len(layers) - limit
	if surplus <= 0 {
		return layers
	}
	kept := make([]schemas.LayerStatus, 0, limit)
	for _, layer := range layers {
		if surplus > 0 && layer.Phase == schemas.LayerHealthy {
			surplus--
			continue
		}
		kept = append(kept, layer)
	}
	return kept[:min(len(kept), limit)]
}

func size(body schemas.AgentStatusBody) int {
	encoded, err := schemas.Marshal(body)
	if err != nil {
		return 0
	}
	return len(encoded) + len(encoded)/4 // indentation of the body in its document
}

// clip bounds a message and keeps it one readable line.
func clip(text string) string { return clipTo(text, maxMessage) }

func clipTo(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < ' ' || r == utf8.RuneError:
			return -1
		}
		return r
	}, text)
	if len(text) <= limit {
		return text
	}
	cut := limit
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return fmt.Sprintf("%s…", text[:cut])
}
