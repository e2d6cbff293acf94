package renderer

import (
	"context"
	"maps"
	"slices"

	"branchline.dev/branchline/schemas"
)

// compileValues compiles every string below a path of a document. isText says
// where only text is accepted.
func compileValues(s *scope, doc *schemas.YAML, path []any, value any, isText func(path []any) bool) (any, schemas.Problems) {
	if text, ok := value.(string); ok {
		t, literal, err := s.compile(text, isText(path))
		if err != nil {
			return nil, schemas.Problems{doc.Problem(path, "%v", err)}
		}
		if t == nil {
			return literal, nil
		}
		return t, nil
	}
	return mapItems(path, value, func(path []any, item any) (any, schemas.Problems) {
		return compileValues(s, doc, path, item, isText)
	})
}

// anyType is the isText of values, which take any type.
func anyType([]any) bool { return false }

// evalValues computes what compileValues made. The result shares no memory with
// it.
func evalValues(ctx context.Context, doc *schemas.YAML, path []any, value any, variables map[string]any) (any, schemas.Problems) {
	if f, ok := value.(*formula); ok {
		result, err := f.eval(ctx, variables)
		if err != nil {
			return nil, schemas.Problems{doc.Problem(path, "%v", err)}
		}
		return result, nil
	}
	return mapItems(path, value, func(path []any, item any) (any, schemas.Problems) {
		return evalValues(ctx, doc, path, item, variables)
	})
}

// mapItems puts what do gives for each item of a mapping or list into a new one.
// Any other value is returned as it is.
func mapItems(path []any, value any, do func(path []any, item any) (any, schemas.Problems)) (any, schemas.Problems) {
	var problems schemas.Problems
	switch v := value.(type) {
	case map[string]any:
		result := make(map[string]any, len(v))
		for key, item := range v {
			made, found := do(extend(path, key), item)
			result[key] = made
			problems = append(problems, found...)
		}
		return result, problems
	case []any:
		result := make([]any, len(v))
		for i, item := range v {
			made, found := do(extend(path, i), item)
			result[i] = made
			problems = append(problems, found...)
		}
		return result, problems
	}
	return value, nil
}

// merge lays over onto base: mappings merge, everything else replaces. A null
// replaces too, and so marks a key that withoutNulls then removes. Neither
// argument is changed; the result may share memory with both.
func merge(base, over map[string]any) map[string]any {
	result := maps.Clone(base)
	if result == nil {
		result = make(map[string]any, len(over))
	}
	for key, value := range over {
		below, belowIsMap := result[key].(map[string]any)
		above, aboveIsMap := value.(map[string]any)
		if belowIsMap && aboveIsMap {
			value = merge(below, above)
		}
		result[key] = value
	}
	return result
}

// withoutNulls drops the keys that hold null, at any depth of mappings.
func withoutNulls(values map[string]any) map[string]any {
	result := make(map[string]any, len(values))
	for key, value := range values {
		switch v := value.(type) {
		case nil:
			continue
		case map[string]any:
			value = withoutNulls(v)
		}
		result[key] = value
	}
	return result
}

// source is one place that values come from.
type source struct {
	yaml   *schemas.YAML
	prefix []any // path of the values in the document
	values any
}

// locate finds where the value at path was set: in the last of the sources that
// holds it, else where the longest part of the path is held, else in the first
// source.
func locate(sources []source, path []any, format string, args ...any) schemas.Problem {
	for length := len(path); length > 0; length-- {
		for _, s := range slices.Backward(sources) {
			if s.yaml != nil && holds(s.values, path[:length]) {
				return s.yaml.Problem(append(slices.Clone(s.prefix), path...), format, args...)
			}
		}
	}
	first := sources[0]
	return first.yaml.Problem(append(slices.Clone(first.prefix), path...), format, args...)
}

func holds(value any, path []any) bool {
	for _, element := range path {
		switch e := element.(type) {
		case string:
			mapping, _ := value.(map[string]any)
			child, ok := mapping[e]
			if !ok {
				return false
			}
			value = child
		case int:
			list, _ := value.([]any)
			if e < 0 || e >= len(list) {
				return false
			}
			value = list[e]
		}
	}
	return true
}

// extend returns path with one element more, never sharing memory with a
// sibling's path.
func extend(path []any, elements ...any) []any {
	return append(path[:len(path):len(path)], elements...)
}
