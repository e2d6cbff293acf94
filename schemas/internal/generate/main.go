// Command generate writes, from the Go types of package schemas and their
// comments, the JSON Schemas of the files that people write and the reference
// page about them. Run it by "make generate" in the project's root; its
// arguments are the page and then the folders for the schemas.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/invopop/jsonschema"

	"branchline.dev/branchline/schemas"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("name the page to write, then the folders for the schemas")
	}
	reflector := jsonschema.Reflector{DoNotReference: true, Anonymous: true}
	const comments = "./schemas"
	if err := reflector.AddGoComments("branchline.dev/branchline", comments); err != nil {
		return fmt.Errorf("reading comments in %s: %w", comments, err)
	}
	documents := []struct {
		kind  string
		value any
	}{
		{schemas.KindTenant, &schemas.Tenant{}},
		{schemas.KindClusterProfile, &schemas.ClusterProfile{}},
		{schemas.KindPack, &schemas.Pack{}},
		{schemas.KindCluster, &schemas.Cluster{}},
		{schemas.KindCloudAccount, &schemas.CloudAccount{}},
	}
	var kinds []string
	described := map[string]*jsonschema.Schema{}
	for _, document := range documents {
		schema := describe(&reflector, document.kind, document.value)
		kinds, described[document.kind] = append(kinds, document.kind), schema
		data, err := json.MarshalIndent(schema, "", "  ")
		if err != nil {
			return fmt.Errorf("%s: %w", document.kind, err)
		}
		for _, dir := range args[1:] {
			if err := write(filepath.Join(dir, strings.ToLower(document.kind)+".json"), append(data, '\n')); err != nil {
				return err
			}
		}
	}
	return write(args[0], reference(kinds, described))
}

func write(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

func describe(reflector *jsonschema.Reflector, kind string, document any) *jsonschema.Schema {
	schema := reflector.Reflect(document)
	schema.Title = kind
	if property, ok := schema.Properties.Get("kind"); ok {
		property.Const = kind
	}
	openClouds(schema)
	return schema
}

// openClouds lets a cloud hold the settings of its type, which the providers'
// own schemas check.
func openClouds(schema *jsonschema.Schema) {
	if schema.Properties == nil {
		return
	}
	_, hasType := schema.Properties.Get("type")
	_, hasAccount := schema.Properties.Get("account")
	if hasType && hasAccount {
		schema.AdditionalProperties = &jsonschema.Schema{Type: "object"}
	}
	for pair := schema.Properties.Oldest(); pair != nil; pair = pair.Next() {
		openClouds(pair.Value)
	}
}
