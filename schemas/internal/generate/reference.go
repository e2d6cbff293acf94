package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/invopop/jsonschema"
)

// reference describes the fields of every kind for people, from the same
// schemas that editors use.
func reference(kinds []string, described map[string]*jsonschema.Schema) []byte {
	var page bytes.Buffer
	page.WriteString("# Files\n\nThe files that people write, field by field. Written by `make generate` from the Go\ntypes in `schemas/`; the JSON Schemas in `schemas/json` say the same to editors.\nFields in **bold** are required.\n")
	for _, kind := range kinds {
		fmt.Fprintf(&page, "\n## %s\n\n| field | type | meaning |\n|---|---|---|\n", kind)
		fields(&page, described[kind], "")
	}
	return page.Bytes()
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
