package schemas

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Position finds the value at path, whose elements are keys (string) and
// indexes (int). If path leads nowhere, it is the position of the deepest value
// on the way that exists.
func (y *YAML) Position(path ...any) Position {
	node := y.root
	at := node
	for _, element := range path {
		key, value := child(node, element, 0)
		if value == nil {
			break
		}
		node, at = value, value
		// The key of a block mapping is where an editor should put the cursor.
		if value.Kind == yaml.MappingNode || value.Kind == yaml.SequenceNode {
			if key != nil && value.Style&yaml.FlowStyle == 0 {
				at = key
			}
		}
	}
	return Position{File: y.file, Line: at.Line, Column: at.Column}
}

// KeyPosition finds the key at the end of path, for problems with the key
// itself; without such a key it is Position(path...).
func (y *YAML) KeyPosition(path ...any) Position {
	node := y.root
	for i, element := range path {
		key, value := child(node, element, 0)
		if value == nil {
			break
		}
		if i == len(path)-1 && key != nil {
			return Position{File: y.file, Line: key.Line, Column: key.Column}
		}
		node = value
	}
	return y.Position(path...)
}

// Problem makes a Problem of the value at path.
func (y *YAML) Problem(path []any, format string, args ...any) Problem {
	return Problem{Position: y.Position(path...), Field: FormatPath(path), Message: fmt.Sprintf(format, args...)}
}

// child finds the key node (nil in lists) and the value node of an element.
func child(node *yaml.Node, element any, depth int) (key, value *yaml.Node) {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if index, ok := element.(int); ok {
		if node.Kind == yaml.SequenceNode && index >= 0 && index < len(node.Content) {
			return nil, node.Content[index]
		}
		return nil, nil
	}
	if node.Kind != yaml.MappingNode || depth > maxDepth {
		return nil, nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if text, ok := keyOf(node.Content[i]); ok && text == element {
			return node.Content[i], node.Content[i+1]
		}
	}
	return mergedChild(node, element, depth)
}

func mergedChild(node *yaml.Node, element any, depth int) (key, value *yaml.Node) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Tag != "!!merge" {
			continue
		}
		sources := []*yaml.Node{node.Content[i+1]}
		if sources[0].Kind == yaml.SequenceNode {
			sources = sources[0].Content
		}
		for _, source := range sources {
			if key, value := child(source, element, depth+1); value != nil {
				return key, value
			}
		}
	}
	return nil, nil
}

var plainKey = regexp.MustCompile(`^[A-Za-z_][-A-Za-z0-9_]*$`)

// FormatPath writes a path as people do: spec.layers[2].values["a.b"].
func FormatPath(path []any) string {
	var b strings.Builder
	for _, element := range path {
		switch e := element.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", e)
		case string:
			switch {
			case !plainKey.MatchString(e):
				b.WriteString("[" + strconv.Quote(e) + "]")
			case b.Len() > 0:
				b.WriteString("." + e)
			default:
				b.WriteString(e)
			}
		}
	}
	return b.String()
}
