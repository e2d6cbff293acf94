package renderer

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/ext"

	"branchline.dev/branchline/schemas"
)

// scope is what expressions in one place may refer to. A name is root.field;
// CEL resolves such a declared name as a whole, which gives each its own type.
type scope struct {
	env   *cel.Env
	roots []string
	names map[string][]string // root to its fields; nil for a root that is itself a value
	// foreign explains names of other scopes that people may try here.
	foreign map[string]string
}

// varAlias stands for "var", which CEL reserves. It has the same length, so that
// positions in messages stay right.
const varAlias = "vAr"

// newLayerScope is the scope of values in profiles and clusters.
func newLayerScope(variables []schemas.Variable) (*scope, error) {
	s := newScope("var")
	s.foreign["values"] = "values are what this file sets; refer to var, cluster or tenant"
	var declarations []cel.EnvOption
	for _, v := range variables {
		if slices.Contains(s.names["var"], v.Name) {
			continue // declared twice: reported already
		}
		s.names["var"] = append(s.names["var"], v.Name)
		declarations = append(declarations, cel.Variable(varAlias+"."+v.Name, celType(v)))
	}
	return s, s.build(declarations)
}

// newPackScope is the scope of scalars in manifests and in what kustomize made.
func newPackScope() (*scope, error) {
	s := newScope("values")
	s.foreign["var"] = "packs do not see a profile's variables; set a value from it in the layer and refer to that as values.NAME"
	return s, s.build([]cel.EnvOption{cel.Variable("values", cel.MapType(cel.StringType, cel.DynType))})
}

// newScope has the names that are known everywhere, and one root more.
func newScope(root string) *scope {
	return &scope{
		roots: []string{root, "cluster", "tenant"},
		names: map[string][]string{
			root:      nil,
			"cluster": {"name", "labels", "cloud", "account", "kubernetesVersion"},
			"tenant":  {"name"},
		},
		foreign: map[string]string{},
	}
}

func (s *scope) build(declarations []cel.EnvOption) error {
	// Times could read the host's time zones, and no value holds one.
	library := env.NewLibrarySubset().AddExcludedFunctions(&env.Function{Name: "timestamp"})
	options := append([]cel.EnvOption{
		cel.Variable("cluster.labels", cel.MapType(cel.StringType, cel.StringType)),
		cel.StdLib(cel.StdLibSubset(library)),
		cel.EagerlyValidateDeclarations(true),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(maxExpressionBytes),
		cel.ParserRecursionLimit(64),
		ext.Strings(), ext.Math(), ext.Lists(), ext.Sets(), ext.Encoders(),
	}, declarations...)
	for _, name := range []string{"cluster.name", "cluster.cloud", "cluster.account", "cluster.kubernetesVersion", "tenant.name"} {
		options = append(options, cel.Variable(name, cel.StringType))
	}
	environment, err := cel.NewCustomEnv(options...)
	if err != nil {
		return fmt.Errorf("prepare expressions: %w", err)
	}
	s.env = environment
	return nil
}

// celType is the type of a variable in expressions. One that may be unset is
// nullable.
func celType(v schemas.Variable) *cel.Type {
	optional := !v.Required && v.Default == nil
	switch v.Type {
	case "string":
		return nullable(cel.StringType, optional)
	case "integer":
		return nullable(cel.IntType, optional)
	case "number":
		return nullable(cel.DoubleType, optional)
	case "boolean":
		return nullable(cel.BoolType, optional)
	case "array":
		return cel.ListType(cel.DynType)
	case "object":
		return cel.MapType(cel.StringType, cel.DynType)
	}
	return cel.DynType
}

func nullable(t *cel.Type, optional bool) *cel.Type {
	if optional {
		return cel.NullableType(t)
	}
	return t
}

// explain words what is wrong with a name in an expression, or returns "" if
// all names are known.
func (s *scope) explain(expression string) (message string, offset int) {
	all := words(expression)
	for i, w := range all {
		if w.member {
			continue
		}
		if advice, ok := s.foreign[w.text]; ok {
			return fmt.Sprintf("%q is not known here: %s", w.text, advice), w.offset
		}
		fields, isRoot := s.names[w.text]
		if !isRoot || w.text == "values" {
			continue
		}
		if i+1 == len(all) || !all[i+1].member {
			return fmt.Sprintf("name one field: %s.NAME%s", w.text, listOf(fields)), w.offset
		}
		if field := all[i+1]; !slices.Contains(fields, field.text) {
			what := map[bool]string{true: "variable", false: "field"}[w.text == "var"]
			hint := schemas.Suggest(field.text, fields)
			if hint == "" {
				hint = listOf(fields)
			}
			return fmt.Sprintf("unknown %s %q%s", what, w.text+"."+field.text, hint), field.offset
		}
	}
	return "", 0
}

func listOf(known []string) string {
	if len(known) == 0 {
		return "; none is declared"
	}
	return "; known are " + strings.Join(known, ", ")
}
