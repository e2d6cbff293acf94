package renderer

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"branchline.dev/branchline/schemas"
)

// variable is a declared variable with the schema of its values.
type variable struct {
	schemas.Variable
	schema *schemas.Schema
}

// declareVariables checks a profile's declarations.
func declareVariables(profile *schemas.Document[schemas.ClusterProfile]) ([]variable, schemas.Problems) {
	var result []variable
	var problems schemas.Problems
	for i, declared := range profile.Object.Spec.Variables {
		path := []any{"spec", "variables", i}
		v := variable{Variable: declared}
		if found := checkDeclaration(profile.YAML, path, declared); len(found) > 0 {
			problems = append(problems, found...)
			continue
		}
		schema, err := compileVariable(declared)
		if err != nil {
			problems = append(problems, profile.YAML.Problem(path, "%v", err))
			continue
		}
		v.schema = schema
		if declared.Default != nil {
			at := extend(path, "default")
			for _, violation := range schema.Check(declared.Default) {
				problems = append(problems, profile.YAML.Problem(extend(at, violation.Path...), "the default is wrong: %s", violation.Message))
			}
		}
		result = append(result, v)
	}
	return result, problems
}

// checkDeclaration refuses limits that do not apply to the type, which would
// have no effect, and requirements that contradict each other.
func checkDeclaration(doc *schemas.YAML, path []any, v schemas.Variable) schemas.Problems {
	var problems schemas.Problems
	fail := func(field, format string, args ...any) {
		problems = append(problems, doc.Problem(extend(path, field), format, args...))
	}
	number := v.Type == "integer" || v.Type == "number"
	for _, limit := range []struct {
		field string
		set   bool
		fits  bool
		on    string
	}{
		{"minimum", v.Minimum != nil, number, "integers and numbers"},
		{"maximum", v.Maximum != nil, number, "integers and numbers"},
		{"minLength", v.MinLength != nil, v.Type == "string", "strings"},
		{"maxLength", v.MaxLength != nil, v.Type == "string", "strings"},
		{"pattern", v.Pattern != "", v.Type == "string", "strings"},
		{"format", v.Format != "", v.Type == "string", "strings"},
	} {
		if limit.set && !limit.fits {
			fail(limit.field, "limits %s, but the variable is of type %s; remove it or change the type", limit.on, v.Type)
		}
	}
	if v.Required && v.Default != nil {
		fail("required", "a variable with a default is never missing; remove one of the two")
	}
	if v.Pattern != "" {
		if _, err := regexp.Compile(v.Pattern); err != nil {
			fail("pattern", "is not a valid regular expression (RE2): %v", err)
		}
	}
	if v.Minimum != nil && v.Maximum != nil && *v.Minimum > *v.Maximum {
		fail("minimum", "is larger than maximum: no value can satisfy both")
	}
	if v.MinLength != nil && v.MaxLength != nil && *v.MinLength > *v.MaxLength {
		fail("minLength", "is larger than maxLength: no value can satisfy both")
	}
	return problems
}

func compileVariable(v schemas.Variable) (*schemas.Schema, error) {
	fields := map[string]any{"type": v.Type}
	if len(v.Enum) > 0 {
		fields["enum"] = v.Enum
	}
	if v.Minimum != nil {
		fields["minimum"] = *v.Minimum
	}
	if v.Maximum != nil {
		fields["maximum"] = *v.Maximum
	}
	if v.MinLength != nil {
		fields["minLength"] = *v.MinLength
	}
	if v.MaxLength != nil {
		fields["maxLength"] = *v.MaxLength
	}
	if v.Pattern != "" {
		fields["pattern"] = v.Pattern
	}
	if v.Format != "" {
		fields["format"] = v.Format
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	return schemas.CompileSchema("the declaration", data)
}

// setVariables checks what a cluster sets and gives the value of each declared
// variable (nil for an optional one without any), by its name in expressions.
func setVariables(declared []variable, cluster *schemas.YAML, path []any, set map[string]any) (map[string]any, schemas.Problems) {
	var problems schemas.Problems
	names := make([]string, len(declared))
	values := make(map[string]any, len(declared))
	for i, v := range declared {
		names[i] = v.Name
		value, isSet := set[v.Name]
		if !isSet || value == nil {
			if v.Required {
				problems = append(problems, cluster.Problem(path, "the required variable %q (%s) is missing", v.Name, v.Type))
			}
			values[varAlias+"."+v.Name] = typed(v.Type, v.Default)
			continue
		}
		at := extend(path, "variables", v.Name)
		for _, violation := range v.schema.Check(value) {
			problems = append(problems, cluster.Problem(extend(at, violation.Path...), "%s", violation.Message))
		}
		values[varAlias+"."+v.Name] = typed(v.Type, value)
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if slices.Contains(names, name) {
			continue
		}
		hint := schemas.Suggest(name, names)
		if hint == "" {
			hint = listOf(names)
		}
		at := extend(path, "variables", name)
		problem := cluster.Problem(at, "unknown variable %q%s", name, hint)
		problem.Position = cluster.KeyPosition(at...)
		problems = append(problems, problem)
	}
	return values, problems
}

// typed gives a value in the Go type that expressions expect: YAML writes the
// number 3 and the integer 3.0 alike.
func typed(variableType string, value any) any {
	switch v := value.(type) {
	case int64:
		if variableType == "number" {
			return float64(v)
		}
	case float64:
		if variableType == "integer" {
			return int64(v)
		}
	case nil:
		switch variableType {
		case "array":
			return []any{}
		case "object":
			return map[string]any{}
		}
	}
	return value
}
