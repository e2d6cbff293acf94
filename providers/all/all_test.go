package all_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"branchline.dev/branchline/providers/all"
)

func TestEveryCloudHasUsableSchemas(t *testing.T) {
	for _, cloud := range all.All() {
		for kind, schema := range map[string][]byte{"cluster": cloud.Schemas.Cluster, "account": cloud.Schemas.Account} {
			if schema == nil {
				continue
			}
			document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
			if err != nil {
				t.Fatalf("%s: schema of %s settings is not JSON: %v", cloud.Type, kind, err)
			}
			compiler := jsonschema.NewCompiler()
			if err := compiler.AddResource("schema.json", document); err != nil {
				t.Fatal(err)
			}
			if _, err := compiler.Compile("schema.json"); err != nil {
				t.Errorf("%s: schema of %s settings does not compile: %v", cloud.Type, kind, err)
			}
		}
	}
}

func TestOpenRefusesUnknownTypes(t *testing.T) {
	_, err := all.Open(t.Context(), all.Options{}, "atlantis")
	if err == nil || !strings.Contains(err.Error(), `no cloud of type "atlantis"`) {
		t.Errorf("got %v, want an error that names the type", err)
	}
}
