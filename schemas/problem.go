package schemas

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Position is a place in a file of a repository. Line and Column start at 1; 0
// means that the problem concerns the whole file.
type Position struct {
	File   string
	Line   int
	Column int
}

// String gives file:line:column, without the parts that are unknown.
func (p Position) String() string {
	switch {
	case p.File == "":
		return "-"
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem is one thing that is wrong with a repository.
type Problem struct {
	Position
	// Field is the path of the field, such as spec.layers[2].pack.version; empty for a whole file.
	Field string
	// Message says what was found and what to write instead.
	Message string
}

// Error gives "path:line:col: field: message".
func (p Problem) Error() string {
	if p.Field == "" {
		return p.Position.String() + ": " + p.Message
	}
	return p.Position.String() + ": " + p.Field + ": " + p.Message
}

// Problems is all that is wrong, in the order of files and lines.
type Problems []Problem

// Error gives one line a problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Err is nil if there are no problems, else ps itself.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// Sorted returns the problems by file, line and column, each once.
func (ps Problems) Sorted() Problems {
	sorted := slices.Clone(ps)
	slices.SortStableFunc(sorted, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Field, b.Field),
			cmp.Compare(a.Message, b.Message),
		)
	})
	return slices.Compact(sorted)
}
