package renderer

import (
	"fmt"
	"strings"

	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"branchline.dev/branchline/schemas"
)

// parseOutput reads the YAML that a template gave, with the rules that Helm and
// kubectl follow (YAML 1.1, a repeated key replaces).
func (p *pack) parseOutput(file string, data []byte) ([]*object, schemas.Problems) {
	var objects []*object
	var problems schemas.Problems
	for _, doc := range splitDocuments(string(data)) {
		var value any
		if err := decodeYAML([]byte(doc.text), &value); err != nil {
			problems = append(problems, schemas.Problem{
				Position: p.at(file, 0, 0),
				Message:  fmt.Sprintf("the template does not give valid YAML: %v (in the document that starts in line %d of its output)", err, doc.line),
			})
			continue
		}
		if value == nil {
			continue
		}
		fields, ok := value.(map[string]any)
		if !ok {
			problems = append(problems, schemas.Problem{
				Position: p.at(file, 0, 0),
				Message:  fmt.Sprintf("the template gives something that is not a Kubernetes object, starting in line %d of its output: %s", doc.line, firstLine(doc.text)),
			})
			continue
		}
		objects = append(objects, &object{fields: fields, from: p.at(file, 0, 0)})
	}
	return objects, problems
}

func decodeYAML(data []byte, into any) error {
	asJSON, err := yaml.YAMLToJSON(data)
	if err != nil {
		return fmt.Errorf("%s", strings.TrimPrefix(strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "), "yaml: "))
	}
	return kjson.UnmarshalCaseSensitivePreserveInts(asJSON, into)
}

// document is one YAML document of a stream and the line that it starts in.
type document struct {
	text string
	line int
}

func splitDocuments(stream string) []document {
	var documents []document
	current := document{line: 1}
	var text strings.Builder
	flush := func(next int) {
		if current.text = text.String(); strings.TrimSpace(current.text) != "" {
			documents = append(documents, current)
		}
		current = document{line: next}
		text.Reset()
	}
	for i, line := range strings.SplitAfter(stream, "\n") {
		if rest, found := strings.CutPrefix(line, "---"); found && (strings.TrimSpace(rest) == "" || rest[0] == ' ' || rest[0] == '\t') {
			flush(i + 1)
			// A comment or a document may follow the marker on its line.
			text.WriteString(strings.TrimLeft(rest, " \t"))
			continue
		}
		text.WriteString(line)
	}
	flush(0)
	return documents
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return fmt.Sprintf("%q", brief(line, 60))
}

// brief cuts a text to about a number of bytes.
func brief(text string, length int) string {
	if len(text) <= length {
		return text
	}
	return strings.ToValidUTF8(text[:length], "") + "…"
}
