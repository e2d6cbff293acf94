package renderer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// formula is a compiled string: literal text and programs in turn.
type formula struct {
	parts []part
	whole bool // one expression and nothing else: the result keeps its type
}

type part struct {
	literal string
	program cel.Program // nil for literal text
	source  string
	offset  int
}

// compile reads a string that may hold expressions. A string without any gives
// a nil formula and its literal text. asText says that the place takes nothing but
// text, so that a single expression does not keep its type.
func (s *scope) compile(text string, asText bool) (*formula, string, error) {
	if !strings.Contains(text, "${") {
		return nil, text, nil
	}
	segments, err := splitText(text)
	if err != nil {
		return nil, "", err
	}
	t := &formula{whole: len(segments) == 1 && segments[0].expression && !asText}
	literal := true
	for _, seg := range segments {
		if !seg.expression {
			t.parts = append(t.parts, part{literal: seg.text})
			continue
		}
		literal = false
		program, err := s.program(seg.text, t.whole)
		if err != nil {
			return nil, "", inExpression(seg, err)
		}
		t.parts = append(t.parts, part{program: program, source: seg.text, offset: seg.offset})
	}
	if literal {
		text, err := t.eval(context.Background(), nil)
		if err != nil {
			return nil, "", err
		}
		s, _ := text.(string)
		return nil, s, nil
	}
	return t, "", nil
}

// atOffset is an error at a place (in bytes) of an expression.
type atOffset struct {
	offset  int
	message string
}

func (e atOffset) Error() string { return e.message }

func inExpression(seg segment, err error) error {
	var at atOffset
	if errors.As(err, &at) {
		return fmt.Errorf("${%s}, character %d: %w", brief(seg.text, 80), seg.offset+at.offset+1, err)
	}
	return fmt.Errorf("${%s}: %w", brief(seg.text, 80), err)
}

func (s *scope) program(expression string, whole bool) (cel.Program, error) {
	if strings.TrimSpace(expression) == "" {
		return nil, errors.New(`is empty; write an expression, or "$${" for a literal "${"`)
	}
	if !utf8.ValidString(expression) {
		return nil, errors.New("is not valid UTF-8")
	}
	ast, issues := s.env.Compile(aliasVar(expression))
	if issues.Err() != nil {
		return nil, s.wording(expression, issues)
	}
	if err := checkResult(ast.OutputType(), whole); err != nil {
		return nil, err
	}
	program, err := s.env.Program(ast,
		cel.CostLimit(maxExpressionCost),
		cel.MemoryLimit(maxExpressionText),
		cel.InterruptCheckFrequency(100),
	)
	if err != nil {
		return nil, fmt.Errorf("cannot be prepared: %w", err)
	}
	return program, nil
}

// aliasVar writes varAlias for "var" wherever it is a name of its own.
func aliasVar(expression string) string {
	out := []byte(expression)
	for _, w := range words(expression) {
		if w.text == "var" && !w.member {
			copy(out[w.offset:], varAlias)
		}
	}
	return string(out)
}

// checkResult refuses results that YAML cannot hold, or text cannot.
func checkResult(t *cel.Type, whole bool) error {
	switch t.Kind() {
	case types.StringKind, types.IntKind, types.UintKind, types.DoubleKind, types.BoolKind, types.DynKind, types.AnyKind:
		return nil
	case types.ListKind, types.MapKind, types.NullTypeKind:
		if whole {
			return nil
		}
		return fmt.Errorf("gives %s, which cannot be part of a text; make the expression the whole value, or pick a field", typeName(t))
	}
	if t.IsAssignableType(cel.NullType) { // a wrapper type: a scalar or null
		return nil
	}
	return fmt.Errorf("gives %s, which a YAML value cannot be", typeName(t))
}

func typeName(t *cel.Type) string {
	switch t.Kind() {
	case types.ListKind:
		return "a list"
	case types.MapKind:
		return "a mapping"
	case types.NullTypeKind:
		return "null"
	case types.BytesKind:
		return "bytes"
	}
	return "a " + t.String()
}

// eval computes the value of a compiled string.
func (t *formula) eval(ctx context.Context, variables map[string]any) (any, error) {
	var text strings.Builder
	for _, p := range t.parts {
		if p.program == nil {
			text.WriteString(p.literal)
			continue
		}
		result, _, err := p.program.ContextEval(ctx, variables)
		if err != nil {
			return nil, fmt.Errorf("${%s}: %s", brief(p.source, 80), evalMessage(err))
		}
		value, err := fromCEL(result, 0)
		if err != nil {
			return nil, fmt.Errorf("${%s}: %w", brief(p.source, 80), err)
		}
		if t.whole {
			return value, nil
		}
		piece, err := toText(value)
		if err != nil {
			return nil, fmt.Errorf("${%s}: %w", brief(p.source, 80), err)
		}
		if text.Len()+len(piece) > maxExpressionText {
			return nil, fmt.Errorf("${%s}: the text is longer than %d bytes", brief(p.source, 80), maxExpressionText)
		}
		text.WriteString(piece)
	}
	return text.String(), nil
}

func evalMessage(err error) string {
	message := strings.ReplaceAll(err.Error(), varAlias, "var")
	if key, ok := strings.CutPrefix(message, "no such key: "); ok {
		return fmt.Sprintf("there is no %q; set it, or test for it with has() or \"in\"", key)
	}
	if strings.Contains(message, "actual cost limit exceeded") {
		return "takes too long to compute; make it simpler"
	}
	return brief(message, 300)
}

// fromCEL gives the plain value of a result: map[string]any, []any, string,
// int64, float64, bool or nil.
func fromCEL(v ref.Val, depth int) (any, error) {
	if depth > 64 {
		return nil, errors.New("gives a value nested deeper than 64 levels")
	}
	switch v := v.(type) {
	case types.Null:
		return nil, nil
	case types.Bool:
		return bool(v), nil
	case types.String:
		if len(v) > maxExpressionText {
			return nil, fmt.Errorf("gives a text longer than %d bytes", maxExpressionText)
		}
		return string(v), nil
	case types.Int:
		return int64(v), nil
	case types.Uint:
		if v > math.MaxInt64 {
			return nil, fmt.Errorf("gives %d, which does not fit into 64 bits with a sign", uint64(v))
		}
		return int64(v), nil
	case types.Double:
		f := float64(v)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("gives %v, which YAML cannot hold", f)
		}
		return f, nil
	case traits.Mapper:
		return mapFromCEL(v, depth)
	case traits.Lister:
		return listFromCEL(v, depth)
	}
	return nil, fmt.Errorf("gives a %s, which a YAML value cannot be", v.Type().TypeName())
}

func listFromCEL(list traits.Lister, depth int) (any, error) {
	result := []any{}
	for it := list.Iterator(); it.HasNext() == types.True; {
		value, err := fromCEL(it.Next(), depth+1)
		if err != nil {
			return nil, err
		}
		result = append(result, value)
	}
	return result, nil
}

func mapFromCEL(mapping traits.Mapper, depth int) (any, error) {
	result := map[string]any{}
	for it := mapping.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, ok := key.(types.String)
		if !ok {
			return nil, fmt.Errorf("gives a mapping with a key that is a %s; keys are strings", key.Type().TypeName())
		}
		value, err := fromCEL(mapping.Get(key), depth+1)
		if err != nil {
			return nil, err
		}
		result[string(name)] = value
	}
	return result, nil
}

// toText writes a scalar as it is to stand inside of a text.
func toText(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case nil:
		return "", errors.New("is null, which cannot be part of a text; give the variable a default")
	}
	return "", errors.New("gives a list or mapping, which cannot be part of a text; make the expression the whole value, or pick a field")
}

// evalText compiles a string and computes it at once.
func (s *scope) evalText(ctx context.Context, text string, asText bool, variables map[string]any) (any, error) {
	t, literal, err := s.compile(text, asText)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return literal, nil
	}
	return t.eval(ctx, variables)
}
