package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// fingerprint covers all of a live object that a desired state can decide:
// everything but status and what the API server itself counts. Equal
// fingerprints mean that nobody changed the object; different ones only that it
// deserves a closer look.
func fingerprint(object *unstructured.Unstructured) string {
	content := make(map[string]any, len(object.Object))
	for key, value := range object.Object {
		if key != "status" && key != "metadata" {
			content[key] = value
		}
	}
	metadata, _, _ := unstructured.NestedFieldNoCopy(object.Object, "metadata")
	if fields, ok := metadata.(map[string]any); ok {
		kept := make(map[string]any, len(fields))
		for key, value := range fields {
			switch key {
			case "managedFields", "resourceVersion", "generation":
			default:
				kept[key] = value
			}
		}
		content["metadata"] = kept
	}
	encoded, err := json.Marshal(content) // sorts keys
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:16])
}
