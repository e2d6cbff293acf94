package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/invopop/jsonschema"
)

// reference describes the fields of every kind for people, from the same
// schemas that editors use.
func reference(written, exchanged []document, described map[string]*jsonschema.Schema) []byte {
	var page bytes.Buffer
	page.WriteString("# Files\n\nField by field. Written by `make generate` from the Go types in `schemas/`; the JSON\nSchemas in `schemas/json` say the same to editors. Fields in **bold** are required.\n")
	page.WriteString("\nPeople write " + list(written) + ".\nThe roles exchange " + list(exchanged) + ".\n")
	for _, document := range append(written, exchanged...) {
		fmt.Fprintf(&page, "\n## %s\n\n| field | type | meaning |\n|---|---|---|\n", document.kind)
		fields(&page, described[document.kind], "")
	}
	return page.Bytes()
}

func list(documents []document) string {
	links := make([]string, len(documents))
	for i, document := range documents {
		links[i] = fmt.Sprintf("[%s](#%s)", document.kind, strings.ToLower(document.kind))
	}
	return strings.Join(links, ", ")
}

func fields(page *bytes.Buffer, schema *jsonschema.Schema, prefix string) {
	if schema.Properties == nil {
		return
	}
	for pair := schema.Properties.Oldest(); pair != nil; pair = pair.Next() {
		name, field := pair.Key, pair.Value
		path := prefix + name
		shown := "`" + path + "`"
		for _, required := range schema.Required {
			if required == name {
				shown = "**" + shown + "**"
			}
		}
		fmt.Fprintf(page, "| %s | %s | %s |\n", shown, typeOf(field), meaning(field))
		fields(page, field, path+".")
		if field.Items != nil {
			fields(page, field.Items, path+"[].")
		}
	}
}

func typeOf(schema *jsonschema.Schema) string {
	switch {
	case schema.Const != nil:
		return fmt.Sprintf("`%v`", schema.Const)
	case len(schema.Enum) > 0:
		values := make([]string, len(schema.Enum))
		for i, value := range schema.Enum {
			values[i] = fmt.Sprintf("`%v`", value)
		}
		return strings.Join(values, ", ")
	case schema.Type == "array" && schema.Items != nil && schema.Items.Type != "":
		return "list of " + schema.Items.Type + "s"
	case schema.Type == "":
		return "any"
	case schema.Type == "object":
		return "mapping"
	}
	return schema.Type
}

func meaning(schema *jsonschema.Schema) string {
	parts := []string{strings.Join(strings.Fields(schema.Description), " ")}
	if schema.Minimum != "" {
		parts = append(parts, "At least "+schema.Minimum.String()+".")
	}
	if schema.Maximum != "" {
		parts = append(parts, "At most "+schema.Maximum.String()+".")
	}
	return strings.ReplaceAll(strings.TrimSpace(strings.Join(parts, " ")), "|", "\\|")
}
