package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"branchline.dev/branchline/schemas"
)

const (
	freeDeletions   = 5  // at once, at any size of the cluster
	freePercent     = 10 // of the inventory
	deletionSamples = 10
)

// withinBudget decides whether a set of objects may be deleted: if it is small
// and holds nothing whose loss takes data with it, or if a person approved
// exactly this set. Else it says what to approve.
func withinBudget(doomed []objectID, inventory int, approvals []string) (bool, *schemas.PendingApproval) {
	reason := overBudget(doomed, inventory)
	if reason == "" {
		return true, nil
	}
	digest := deletionDigest(doomed)
	if slices.Contains(approvals, digest) {
		return true, nil
	}
	names := sortedNames(doomed)
	return false, &schemas.PendingApproval{
		Digest: digest, Objects: len(doomed), Reason: reason, Sample: names[:min(len(names), deletionSamples)],
	}
}

func overBudget(doomed []objectID, inventory int) string {
	for _, id := range doomed {
		if holdsData(id.groupKind()) {
			return fmt.Sprintf("%s would be deleted, and what it holds with it", clip(id.String()))
		}
	}
	if allowed := max(freeDeletions, inventory*freePercent/100); len(doomed) > allowed {
		return fmt.Sprintf("%d of %d objects would be deleted, more than %d at once", len(doomed), inventory, allowed)
	}
	return ""
}

func holdsData(kind schema.GroupKind) bool {
	switch kind {
	case schema.GroupKind{Kind: "Namespace"},
		schema.GroupKind{Kind: "PersistentVolume"},
		schema.GroupKind{Kind: "PersistentVolumeClaim"},
		schema.GroupKind{Group: "apps", Kind: "StatefulSet"}:
		return true
	}
	return isCRD(kind)
}

// deletionDigest names a set of objects: sha256 over its sorted names, a line each.
func deletionDigest(doomed []objectID) string {
	sum := sha256.Sum256([]byte(strings.Join(sortedNames(doomed), "\n") + "\n"))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func sortedNames(ids []objectID) []string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = id.String()
	}
	slices.Sort(names)
	return names
}
