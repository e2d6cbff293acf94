// Command generate writes, from the Go types of package schemas and their
// comments, the JSON Schemas of the files that people write and the reference
// page about them. Run it by "make generate" in the project's root; its
// arguments are the page, the folder for all schemas, and the folders for those
// of the files that people write.
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
	written, exchanged := peoplesFiles(), rolesFiles()
	described := map[string]*jsonschema.Schema{}
	for _, document := range append(written, exchanged...) {
		described[document.kind] = describe(&reflector, document.kind, document.value)
	}
	// Editors of a tenant's repository need what people write, nothing else.
	if err := writeSchemas(args[1], append(written, exchanged...), described); err != nil {
		return err
	}
	for _, dir := range args[2:] {
		if err := writeSchemas(dir, written, described); err != nil {
			return err
		}
	}
	return write(args[0], reference(written, exchanged, described))
}

// document is a kind and its zero value.
type document struct {
	kind  string
	value any
}

func peoplesFiles() []document {
	return []document{
		{schemas.KindTenant, &schemas.Tenant{}},
		{schemas.KindClusterProfile, &schemas.ClusterProfile{}},
		{schemas.KindPack, &schemas.Pack{}},
		{schemas.KindCluster, &schemas.Cluster{}},
		{schemas.KindCloudAccount, &schemas.CloudAccount{}},
	}
}

func rolesFiles() []document {
	return []document{
		{schemas.KindDesiredCluster, &schemas.DesiredCluster{}},
		{schemas.KindDesiredInfrastructure, &schemas.DesiredInfrastructure{}},
		{schemas.KindAgentStatus, &schemas.AgentStatus{}},
		{schemas.KindInfraStatus, &schemas.InfraStatus{}},
	}
}

func writeSchemas(dir string, documents []document, described map[string]*jsonschema.Schema) error {
	for _, document := range documents {
		data, err := json.MarshalIndent(described[document.kind], "", "  ")
		if err != nil {
			return fmt.Errorf("%s: %w", document.kind, err)
		}
		if err := write(filepath.Join(dir, strings.ToLower(document.kind)+".json"), append(data, '\n')); err != nil {
			return err
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
	if kind == schemas.KindCloudAccount {
		// An account is not reached by way of another.
		if spec, ok := schema.Properties.Get("spec"); ok {
			spec.Properties.Delete("account")
		}
	}
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
	if hasType && hasAccount && schema.Properties.Len() == 2 {
		schema.AdditionalProperties = &jsonschema.Schema{Type: "object"}
	}
	for pair := schema.Properties.Oldest(); pair != nil; pair = pair.Next() {
		openClouds(pair.Value)
	}
}
