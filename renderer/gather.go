package renderer

import (
	"fmt"
	"slices"
	"strings"

	"branchline.dev/branchline/schemas"
)

// finding is what makes problems of several clusters the same one. The advice
// behind the semicolon is left out: it may list what one cluster has.
type finding struct {
	schemas.Position
	field, found string
}

// gather tells problems that several clusters have as one, with their names.
// Problems in a cluster's own file need no name. found belongs to plans, which
// are sorted by name.
func gather(plans []*plan, found []schemas.Problems) schemas.Problems {
	var problems schemas.Problems
	first := map[finding]int{} // in problems
	clusters := map[int][]string{}
	for i, p := range plans {
		for _, problem := range found[i].Sorted() {
			if problem.File == p.doc.File {
				problems = append(problems, problem)
				continue
			}
			text, _, _ := strings.Cut(problem.Message, "; ")
			key := finding{problem.Position, problem.Field, text}
			at, known := first[key]
			if !known {
				at = len(problems)
				first[key] = at
				problems = append(problems, problem)
			}
			clusters[at] = append(clusters[at], p.name)
		}
	}
	for at, names := range clusters {
		names = slices.Compact(names)
		if more := len(names) - 3; more > 0 {
			names = append(names[:3:3], fmt.Sprintf("%d more", more))
		}
		problems[at].Message += " (rendering " + strings.Join(names, ", ") + ")"
	}
	return problems
}
