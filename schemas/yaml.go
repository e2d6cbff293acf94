package schemas

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits on what people write: far above any real file, low enough that no
// file can exhaust memory.
const (
	maxFileBytes = 4 << 20
	maxNodes     = 200_000 // after aliases are expanded
	maxDepth     = 100
)

// YAML is one YAML document that remembers where each of its values stands.
type YAML struct {
	file  string
	root  *yaml.Node
	value any
}

// ParseYAML reads the documents of a file. Empty documents are left out; a
// document with a problem is left out too. Refused are text that is not UTF-8,
// syntax errors, duplicate
// keys, keys that are not scalars, numbers that JSON cannot hold, and files
// whose size, depth or expanded aliases exceed the limits.
func ParseYAML(file string, data []byte) ([]*YAML, Problems) {
	if len(data) > maxFileBytes {
		return nil, fileProblem(file, "is %d bytes long, more than the %d allowed; split it", len(data), maxFileBytes)
	}
	if problems := checkText(file, data); len(problems) > 0 {
		return nil, problems
	}
	var docs []*YAML
	var problems Problems
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var node yaml.Node
		err := decode(decoder, &node)
		if errors.Is(err, io.EOF) {
			return docs, problems
		}
		if err != nil {
			return docs, append(problems, syntaxProblem(file, data, err))
		}
		if len(node.Content) == 0 || isEmpty(node.Content[0]) {
			continue
		}
		conv := converter{file: file}
		value := conv.value(node.Content[0], nil, 0)
		if len(conv.problems) > 0 {
			problems = append(problems, conv.problems...)
			continue
		}
		docs = append(docs, &YAML{file: file, root: node.Content[0], value: value})
	}
}

// decode turns a panic of the parser, which hostile input can cause, into an
// error.
func decode(decoder *yaml.Decoder, node *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	return decoder.Decode(node)
}

func isEmpty(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.Tag == "!!null"
}

func fileProblem(file, format string, args ...any) Problems {
	return Problems{{Position: Position{File: file}, Message: fmt.Sprintf(format, args...)}}
}

// Value is the content of the document: map[string]any, []any, string, int64,
// float64, bool or nil. The caller must not change it.
func (y *YAML) Value() any { return y.value }

// File is the name of the file that holds the document.
func (y *YAML) File() string { return y.file }

// converter turns nodes into plain values and notes what is wrong with them.
type converter struct {
	file     string
	nodes    int
	problems Problems
}

func (c *converter) fail(node *yaml.Node, path []any, format string, args ...any) {
	c.problems = append(c.problems, Problem{
		Position: Position{File: c.file, Line: node.Line, Column: node.Column},
		Field:    FormatPath(path),
		Message:  fmt.Sprintf(format, args...),
	})
}

func (c *converter) value(node *yaml.Node, path []any, depth int) any {
	if c.nodes++; c.nodes > maxNodes {
		if c.nodes == maxNodes+1 {
			c.fail(node, path, "more than %d values with aliases expanded; use fewer aliases or split the file", maxNodes)
		}
		return nil
	}
	if depth > maxDepth {
		c.fail(node, path, "nested deeper than %d levels", maxDepth)
		return nil
	}
	switch node.Kind {
	case yaml.AliasNode:
		return c.value(node.Alias, path, depth+1)
	case yaml.MappingNode:
		return c.mapping(node, path, depth)
	case yaml.SequenceNode:
		list := make([]any, 0, len(node.Content))
		for i, item := range node.Content {
			list = append(list, c.value(item, extend(path, i), depth+1))
		}
		return list
	default:
		return c.scalar(node, path)
	}
}

func (c *converter) mapping(node *yaml.Node, path []any, depth int) any {
	result := make(map[string]any, len(node.Content)/2)
	lines := make(map[string]int, len(node.Content)/2)
	var merges []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		keyNode, valueNode := node.Content[i], node.Content[i+1]
		if keyNode.Tag == "!!merge" {
			merges = append(merges, valueNode)
			continue
		}
		key, ok := keyOf(keyNode)
		if !ok {
			c.fail(keyNode, path, "a key must be a plain word or a quoted string")
			continue
		}
		keyPath := extend(path, key)
		if line, seen := lines[key]; seen {
			c.fail(keyNode, keyPath, "the key %q is set a second time (first in line %d); remove one", key, line)
			continue
		}
		lines[key] = keyNode.Line
		result[key] = c.value(valueNode, keyPath, depth+1)
	}
	for _, merge := range merges {
		c.merge(result, merge, path, depth)
	}
	return result
}

// merge adds the keys of a merge key's value ("<<") that are not set yet, as
// https://yaml.org/type/merge.html describes.
func (c *converter) merge(into map[string]any, node *yaml.Node, path []any, depth int) {
	sources := []any{c.value(node, path, depth+1)}
	if list, ok := sources[0].([]any); ok {
		sources = list
	}
	for _, source := range sources {
		mapping, ok := source.(map[string]any)
		if !ok {
			c.fail(node, path, "the merge key << takes a mapping or a list of mappings")
			return
		}
		for key, value := range mapping {
			if _, set := into[key]; !set {
				into[key] = value
			}
		}
	}
}

// keyOf gives the text of a key. As in JSON, keys are strings: an unquoted
// number or boolean counts as its text.
func keyOf(node *yaml.Node) (string, bool) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" || node.Tag == "!!binary" {
		return "", false
	}
	return node.Value, true
}

func (c *converter) scalar(node *yaml.Node, path []any) any {
	switch node.Tag {
	case "!!null":
		return nil
	case "!!bool":
		var b bool
		if node.Decode(&b) == nil {
			return b
		}
	case "!!int":
		var i int64
		if node.Decode(&i) == nil {
			return i
		}
		c.fail(node, path, "the number %s does not fit into 64 bits; quote it if it is text", node.Value)
		return nil
	case "!!float":
		var f float64
		if !strings.ContainsAny(node.Value, ".eE") {
			c.fail(node, path, "the number %s does not fit into 64 bits; quote it if it is text", node.Value)
			return nil
		}
		if node.Decode(&f) == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
		c.fail(node, path, "%s is not a finite number; quote it if it is text", node.Value)
		return nil
	case "!!str", "!!timestamp":
		return node.Value
	}
	c.fail(node, path, "the YAML tag %s is not supported; remove it", node.Tag)
	return nil
}

// extend returns path with one element more, never sharing memory with a
// sibling's path.
func extend(path []any, element any) []any {
	return append(path[:len(path):len(path)], element)
}
