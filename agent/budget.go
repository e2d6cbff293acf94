package agent

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"branchline.dev/branchline/schemas"
)

const (
	freeDeletions = 5  // at once, at any size of the cluster
	freePercent   = 10 // of the inventory
	// deletionSamples leaves most of maxStatus to the rest: names of usual length take a tenth of it.
	deletionSamples = 50
	maxNamed        = 180 // bytes of a name inside a sentence, so that its end is not cut off
)

// withinBudget decides whether a set of objects may be deleted: if it is small
// and holds nothing whose loss takes data with it, or if a person approved
// exactly this set. Else it says what to approve.
func withinBudget(doomed []objectID, inventory int, approvals []string) (bool, *schemas.PendingApproval) {
	ordered := mostDangerousFirst(doomed)
	reason := overBudget(ordered, inventory)
	if reason == "" {
		return true, nil
	}
	digest := deletionDigest(doomed)
	if slices.Contains(approvals, digest) {
		return true, nil
	}
	if len(approvals) > 0 {
		reason += "; an approval is given, but for another set of objects"
	}
	pending := &schemas.PendingApproval{Digest: digest, Objects: len(doomed), Reason: reason, Sample: []string{}}
	for _, id := range ordered[:min(len(ordered), deletionSamples)] {
		pending.Sample = append(pending.Sample, clip(id.String()))
	}
	return false, pending
}

// overBudget says what is too much about a set, "" if nothing is. Its most
// dangerous object must come first.
func overBudget(ordered []objectID, inventory int) string {
	dangerous := 0
	for _, id := range ordered {
		if dangerOf(id.groupKind()).rank < harmless {
			dangerous++
		}
	}
	if dangerous > 0 {
		return wouldBeDeleted(ordered, dangerous)
	}
	if allowed := max(freeDeletions, inventory*freePercent/100); len(ordered) > allowed {
		return fmt.Sprintf("%d of %d objects would be deleted, more than %d at once", len(ordered), inventory, allowed)
	}
	return ""
}

// wouldBeDeleted names the worst object and what goes with it.
func wouldBeDeleted(ordered []objectID, dangerous int) string {
	worst := clipTo(ordered[0].String(), maxNamed) + " with " + dangerOf(ordered[0].groupKind()).takes
	if len(ordered) == 1 {
		return "1 object would be deleted: " + worst
	}
	text := fmt.Sprintf("%d objects would be deleted, among them %s", len(ordered), worst)
	if dangerous > 1 {
		text += fmt.Sprintf(", and %d more that take data or other objects with them", dangerous-1)
	}
	return text
}

// danger is what goes with an object of a kind when it is deleted.
type danger struct {
	rank  int // 0 is the worst
	takes string
}

const harmless = 4 // the rank of all kinds that take nothing with them that cannot be made again

func dangerOf(kind schema.GroupKind) danger {
	switch kind {
	case schema.GroupKind{Kind: "Namespace"}:
		return danger{0, "everything in it"}
	case schema.GroupKind{Kind: "PersistentVolume"}, schema.GroupKind{Kind: "PersistentVolumeClaim"}:
		return danger{2, "its data"}
	case schema.GroupKind{Group: "apps", Kind: "StatefulSet"}:
		return danger{3, "its pods"}
	}
	if isCRD(kind) {
		return danger{1, "every object of its kind"}
	}
	return danger{rank: harmless}
}

// mostDangerousFirst gives a sorted copy.
func mostDangerousFirst(ids []objectID) []objectID {
	return slices.SortedFunc(slices.Values(ids), func(a, b objectID) int {
		return cmp.Or(cmp.Compare(dangerOf(a.groupKind()).rank, dangerOf(b.groupKind()).rank), cmp.Compare(a.String(), b.String()))
	})
}

// deletionDigest names a set of objects: sha256 over its sorted names, a line each.
func deletionDigest(doomed []objectID) string {
	names := make([]string, len(doomed))
	for i, id := range doomed {
		names[i] = id.String()
	}
	slices.Sort(names)
	sum := sha256.Sum256([]byte(strings.Join(names, "\n") + "\n"))
	return "sha256:" + hex.EncodeToString(sum[:])
}
