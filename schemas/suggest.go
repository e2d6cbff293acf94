package schemas

import (
	"fmt"
	"slices"
	"strings"
)

// Suggest returns `, did you mean "x"?` for the known word that is closest to
// got, or "" if none is close enough to be a slip of the finger.
func Suggest(got string, known []string) string {
	best, bestDistance := "", max(1, len(got)/3)+1
	for _, word := range slices.Sorted(slices.Values(known)) {
		if d := distance(strings.ToLower(got), strings.ToLower(word), bestDistance); d < bestDistance {
			best, bestDistance = word, d
		}
	}
	if best == "" || best == got {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", best)
}

// distance is the Levenshtein distance with transpositions of neighbours
// (optimal string alignment), cut off at limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, previous := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current := make([]int, len(b)+1)
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous = previous, current
	}
	return previous[len(b)]
}
