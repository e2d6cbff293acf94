package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Schema is a compiled JSON Schema.
type Schema struct{ compiled *jsonschema.Schema }

// Violation is one place in a value that does not satisfy a schema.
type Violation struct {
	// Path of the value at fault: keys (string) and indexes (int).
	Path []any
	// Key is true if the last element of Path is a key that should not be there.
	Key bool
	// Message says what was found and what is expected.
	Message string
}

// CompileSchema reads a JSON Schema (draft 2020-12 unless $schema says
// otherwise). Formats are asserted. References to other documents are refused,
// so that compiling never touches the network or the file system.
func CompileSchema(name string, data []byte) (*Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: not valid JSON: %w", name, err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	compiler.UseLoader(noLoader{})
	const url = "schema:///schema.json"
	if err := compiler.AddResource(url, doc); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	compiled, err := compiler.Compile(url)
	if err != nil {
		return nil, fmt.Errorf("%s: not a valid JSON Schema: %s", name, strings.ReplaceAll(err.Error(), url, name))
	}
	return &Schema{compiled}, nil
}

type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, errors.New("a $ref to another document is not allowed; copy the definition into $defs")
}

// Check returns every place where value, in the form that YAML.Value gives,
// violates the schema.
func (s *Schema) Check(value any) []Violation {
	err := s.compiled.Validate(value)
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return nil
	}
	var violations []Violation
	s.collect(invalid, value, &violations)
	return violations
}

// collect walks to the leaves of the error tree: inner nodes only repeat that
// something below them is wrong. Alternatives (anyOf, oneOf) are told as one,
// since the reader can satisfy but one of them.
func (s *Schema) collect(e *jsonschema.ValidationError, value any, into *[]Violation) {
	path := typedPath(e.InstanceLocation, value)
	switch k := e.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf:
		*into = append(*into, Violation{Path: path, Message: "matches none of the allowed forms: " + s.alternatives(e, value)})
		return
	case *kind.Required:
		for _, name := range k.Missing {
			*into = append(*into, Violation{Path: path, Message: fmt.Sprintf("the field %q is missing", name)})
		}
		return
	case *kind.AdditionalProperties:
		known := knownProperties(s.compiled, path)
		for _, name := range k.Properties {
			*into = append(*into, Violation{Path: extend(path, name), Key: true, Message: unknownField(name, known)})
		}
		return
	}
	if len(e.Causes) == 0 {
		*into = append(*into, Violation{Path: path, Message: describe(e.ErrorKind)})
		return
	}
	for _, cause := range e.Causes {
		s.collect(cause, value, into)
	}
}

func (s *Schema) alternatives(e *jsonschema.ValidationError, value any) string {
	var violations []Violation
	for _, cause := range e.Causes {
		s.collect(cause, value, &violations)
	}
	messages := make([]string, 0, len(violations))
	for _, v := range violations {
		messages = append(messages, v.Message)
	}
	slices.Sort(messages)
	return strings.Join(slices.Compact(messages), "; or ")
}

func unknownField(name string, known []string) string {
	if hint := Suggest(name, known); hint != "" {
		return fmt.Sprintf("unknown field %q%s", name, hint)
	}
	if len(known) == 0 {
		return fmt.Sprintf("unknown field %q; none is allowed here", name)
	}
	return fmt.Sprintf("unknown field %q; known are %s", name, strings.Join(known, ", "))
}

// typedPath turns the elements of a location into keys and indexes by looking
// at the value.
func typedPath(location []string, value any) []any {
	path := make([]any, 0, len(location))
	for _, element := range location {
		switch v := value.(type) {
		case []any:
			index, err := strconv.Atoi(element)
			if err != nil || index < 0 || index >= len(v) {
				return path
			}
			path, value = append(path, index), v[index]
		case map[string]any:
			path, value = append(path, element), v[element]
		default:
			return path
		}
	}
	return path
}

// knownProperties lists the properties that the schema declares at path.
func knownProperties(schema *jsonschema.Schema, path []any) []string {
	for _, element := range path {
		if schema = childSchema(schema, element); schema == nil {
			return nil
		}
	}
	schema = resolve(schema)
	known := make([]string, 0, len(schema.Properties))
	for name := range schema.Properties {
		known = append(known, name)
	}
	slices.Sort(known)
	return known
}

func resolve(schema *jsonschema.Schema) *jsonschema.Schema {
	for hops := 0; schema.Ref != nil && len(schema.Properties) == 0 && hops < 32; hops++ {
		schema = schema.Ref
	}
	return schema
}

func childSchema(schema *jsonschema.Schema, element any) *jsonschema.Schema {
	schema = resolve(schema)
	switch e := element.(type) {
	case int:
		if schema.Items2020 != nil {
			return schema.Items2020
		}
		items, _ := schema.Items.(*jsonschema.Schema)
		return items
	case string:
		if property := schema.Properties[e]; property != nil {
			return property
		}
		additional, _ := schema.AdditionalProperties.(*jsonschema.Schema)
		return additional
	}
	return nil
}

// describe words the kinds of violation that people meet most; the library's
// own words serve for the rest.
func describe(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		if slices.Contains(k.Want, "string") && (k.Got == "number" || k.Got == "boolean") {
			return fmt.Sprintf("expected a string, found %s; put it in quotes", article(k.Got))
		}
		return fmt.Sprintf("expected %s, found %s", strings.Join(articles(k.Want), " or "), article(k.Got))
	case *kind.Enum:
		hint := ""
		if got, ok := k.Got.(string); ok {
			hint = Suggest(got, texts(k.Want))
		}
		return fmt.Sprintf("%s is not allowed; use one of %s%s", jsonText(k.Got), strings.Join(jsonTexts(k.Want), ", "), hint)
	case *kind.Const:
		return fmt.Sprintf("%s is not allowed; use %s", jsonText(k.Got), jsonText(k.Want))
	case *kind.Pattern:
		return describePattern(k.Got, k.Want)
	case *kind.Format:
		return fmt.Sprintf("%s is not a valid %s", jsonText(k.Got), k.Want)
	case *kind.Minimum:
		return fmt.Sprintf("%s is too small; at least %s", k.Got.RatString(), k.Want.RatString())
	case *kind.Maximum:
		return fmt.Sprintf("%s is too large; at most %s", k.Got.RatString(), k.Want.RatString())
	case *kind.MinLength:
		if k.Want == 1 {
			return "must not be empty"
		}
		return fmt.Sprintf("is %d characters long; at least %d", k.Got, k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("is %d characters long; at most %d", k.Got, k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("has %d entries; at least %d", k.Got, k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("has %d entries; at most %d", k.Got, k.Want)
	}
	return k.LocalizedString(message.NewPrinter(language.English))
}

// The patterns of names and versions in the types of this package.
const (
	labelPattern    = `^[a-z0-9]([-a-z0-9]*[a-z0-9])?$` // an RFC 1123 label
	versionPattern  = `^[0-9A-Za-z][-+.0-9A-Za-z_]*$`
	variablePattern = `^[A-Za-z_][A-Za-z0-9_]*$`
	digestPattern   = `^sha256:[0-9a-f]{64}$`
)

// describePattern says in words what our own patterns ask for.
func describePattern(got, pattern string) string {
	switch pattern {
	case labelPattern:
		return fmt.Sprintf("%q is not allowed; use lower-case letters, digits and '-', starting and ending with a letter or digit", got)
	case versionPattern:
		return fmt.Sprintf("%q is not allowed; use letters, digits, '-', '+', '.' and '_', starting with a letter or digit", got)
	case digestPattern:
		return fmt.Sprintf("%q is not a digest; copy the one that \"branchline status\" shows, sha256: and 64 digits", got)
	case variablePattern:
		return fmt.Sprintf("%q is not allowed; use letters, digits and '_', starting with a letter or '_'", got)
	}
	return fmt.Sprintf("%q does not match %s", got, pattern)
}

func texts(values []any) []string {
	var result []string
	for _, v := range values {
		if s, ok := v.(string); ok {
			result = append(result, s)
		}
	}
	return result
}

func jsonTexts(values []any) []string {
	result := make([]string, len(values))
	for i, v := range values {
		result[i] = jsonText(v)
	}
	return result
}

func jsonText(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(data)
}

func articles(types []string) []string {
	result := make([]string, len(types))
	for i, t := range types {
		result[i] = article(t)
	}
	return result
}

func article(jsonType string) string {
	switch jsonType {
	case "null":
		return "nothing"
	case "object":
		return "a mapping"
	case "array":
		return "a list"
	case "integer":
		return "an integer"
	}
	return "a " + jsonType
}
