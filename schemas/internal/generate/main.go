// Command generate writes the JSON Schemas of the files that people write, from
// the Go types and their comments. Run it by "make generate" in the project's
// root; its arguments are the folders to write to.
package main

import (
	"encoding/json"
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

func run(dirs []string) error {
	reflector := jsonschema.Reflector{
		DoNotReference: true,
		Anonymous:      true,
	}
	const comments = "./schemas"
	if err := reflector.AddGoComments("branchline.dev/branchline", comments); err != nil {
		return fmt.Errorf("reading comments in %s: %w", comments, err)
	}
	for kind, document := range map[string]any{
		schemas.KindTenant:         &schemas.Tenant{},
		schemas.KindClusterProfile: &schemas.ClusterProfile{},
		schemas.KindPack:           &schemas.Pack{},
		schemas.KindCluster:        &schemas.Cluster{},
		schemas.KindCloudAccount:   &schemas.CloudAccount{},
	} {
		data, err := json.MarshalIndent(describe(&reflector, kind, document), "", "  ")
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		for _, dir := range dirs {
			if err := write(filepath.Join(dir, strings.ToLower(kind)+".json"), append(data, '\n')); err != nil {
				return err
			}
		}
	}
	return nil
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
