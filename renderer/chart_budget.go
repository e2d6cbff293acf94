package renderer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/template/parse"
)

// maxTemplateWork is the budget of one chart: each round of a loop and each
// call of a named template or function costs the length of its text and a little.
const maxTemplateWork = 64 << 20

// stepFunction is called at the start of every loop body and named template.
const stepFunction = "branchlineStep"

// templateBudget ends templates that loop without end, which text/template
// itself cannot be made to do.
type templateBudget struct {
	left int
	ctx  context.Context
}

func (b *templateBudget) step(cost int) (string, error) {
	if b.left -= cost + 128; b.left < 0 {
		return "", errTooMuchWork
	}
	return "", b.ctx.Err()
}

// withSteps inserts the calls into a template's text, none of which changes a
// line number or the output. Text that does not parse is left for the engine to
// complain about.
func withSteps(name, text string) string {
	tree := parse.New(name)
	tree.Mode = parse.SkipFuncCheck
	trees := map[string]*parse.Tree{}
	if _, err := tree.Parse(text, "", "", trees); err != nil {
		return text
	}
	at := map[int]int{} // offset to cost
	for _, t := range trees {
		// A call would make an empty definition count as one that replaces another.
		if t.Root == nil || parse.IsEmptyTree(t.Root) {
			continue
		}
		if t.Name == name {
			at[0] = len(text)
		} else {
			mark(t.Root, text, at)
		}
		walkTemplate(t.Root, func(loop *parse.ListNode) { mark(loop, text, at) })
	}
	offsets := make([]int, 0, len(at))
	for offset := range at {
		offsets = append(offsets, offset)
	}
	slices.Sort(offsets)
	var b strings.Builder
	last := 0
	for _, offset := range offsets {
		b.WriteString(text[last:offset])
		trim := ""
		if strings.HasSuffix(text[:offset], "-}}") {
			trim = " -" // what stood there trimmed the text that now follows the call
		}
		fmt.Fprintf(&b, "{{%s %d%s}}", stepFunction, at[offset], trim)
		last = offset
	}
	b.WriteString(text[last:])
	return b.String()
}

// mark notes the place behind the action that opens a body.
func mark(body *parse.ListNode, text string, at map[int]int) {
	if body == nil || int(body.Pos) > len(text) {
		return
	}
	if end := strings.LastIndex(text[:body.Pos], "}}"); end >= 0 {
		at[end+len("}}")] = len(body.String())
	}
}

// walkTemplate visits the body of every loop below a list.
func walkTemplate(list *parse.ListNode, visit func(*parse.ListNode)) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		switch n := node.(type) {
		case *parse.RangeNode:
			visit(n.List)
			walkTemplate(n.List, visit)
			walkTemplate(n.ElseList, visit)
		case *parse.IfNode:
			walkTemplate(n.List, visit)
			walkTemplate(n.ElseList, visit)
		case *parse.WithNode:
			walkTemplate(n.List, visit)
			walkTemplate(n.ElseList, visit)
		}
	}
}
