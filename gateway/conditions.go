package gateway

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"branchline.dev/branchline/schemas"
)

// The types of condition that the gateway adds to a provider's.
const (
	// conditionEnded is True from the moment the gateway knows that a commit
	// ended the cluster.
	conditionEnded = "Ended"
	// conditionNodesListed is False while a status names some nodes only.
	conditionNodesListed = "NodesListed"
)

// The statuses of a condition.
const (
	conditionTrue    = "True"
	conditionFalse   = "False"
	conditionUnknown = "Unknown"
)

// Bounds of what a status says, so that it stays below maxStatus: a cloud may
// have any number of nodes and its errors any length.
const (
	maxNodes      = 250
	maxConditions = 16
	maxMessage    = 512 // bytes
)

// merge returns the conditions to report: the first of each type, Ready in
// front and the others by name. One whose status did not change keeps its time.
func merge(previous, next []schemas.Condition, now time.Time) []schemas.Condition {
	merged := make([]schemas.Condition, 0, len(next))
	for _, c := range next {
		if slices.ContainsFunc(merged, func(m schemas.Condition) bool { return m.Type == c.Type }) {
			continue
		}
		c.Message = shorten(c.Message)
		c.LastTransitionTime = now.UTC().Format(time.RFC3339)
		for _, p := range previous {
			if p.Type == c.Type && p.Status == c.Status && p.LastTransitionTime != "" {
				c.LastTransitionTime = p.LastTransitionTime
			}
		}
		merged = append(merged, c)
	}
	merged = merged[:min(len(merged), maxConditions)]
	slices.SortFunc(merged, func(a, b schemas.Condition) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Type, b.Type))
	})
	return merged
}

func rank(c schemas.Condition) int {
	if c.Type == schemas.ConditionReady {
		return 0
	}
	return 1
}

// without returns the conditions of other types than the one given.
func without(conditions []schemas.Condition, unwanted string) []schemas.Condition {
	return slices.DeleteFunc(slices.Clone(conditions), func(c schemas.Condition) bool { return c.Type == unwanted })
}

// shorten makes one line of a message and cuts it to its bound, between two
// characters.
func shorten(message string) string {
	message = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r // invalid bytes arrive here as U+FFFD
	}, message)
	if len(message) <= maxMessage {
		return message
	}
	cut := maxMessage - len("…")
	for !utf8.RuneStart(message[cut]) {
		cut--
	}
	return message[:cut] + "…"
}

// verified says that the desired branch was read and is followed.
var verified = schemas.Condition{Type: schemas.ConditionFetched, Status: conditionTrue, Reason: "Verified"}

func notReady(reason, message string) schemas.Condition {
	return schemas.Condition{Type: schemas.ConditionReady, Status: conditionFalse, Reason: reason, Message: message}
}

func unlisted(nodes int) schemas.Condition {
	return schemas.Condition{Type: conditionNodesListed, Status: conditionFalse, Reason: "TooMany",
		Message: fmt.Sprintf("the first %d of %d nodes are listed", maxNodes, nodes)}
}
