package agent

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const driftFields = 5 // named in a message

// describeDrift names the fields in which a live object differs from what it
// should be, never their values, and who wrote to the object last.
func describeDrift(found, wanted *unstructured.Unstructured) string {
	var fields []string
	for key := range union(found.Object, wanted.Object) {
		if key != "status" {
			fields = appendDifferences(fields, key, found.Object[key], wanted.Object[key])
		}
	}
	slices.Sort(fields)
	if len(fields) > driftFields {
		fields = append(fields[:driftFields], fmt.Sprintf("%d more", len(fields)-driftFields))
	}
	message := "differs in " + strings.Join(fields, ", ")
	if manager := lastManager(found); manager != "" {
		message += ", last written by " + manager
	}
	return clip(message)
}

func appendDifferences(fields []string, path string, found, wanted any) []string {
	switch path {
	case "metadata.managedFields", "metadata.resourceVersion", "metadata.generation":
		return fields
	}
	a, aIsMap := found.(map[string]any)
	b, bIsMap := wanted.(map[string]any)
	if !aIsMap || !bIsMap {
		if reflect.DeepEqual(found, wanted) {
			return fields
		}
		return append(fields, path)
	}
	for key := range union(a, b) {
		fields = appendDifferences(fields, path+"."+key, a[key], b[key])
	}
	return fields
}

func union(a, b map[string]any) map[string]bool {
	keys := make(map[string]bool, len(a)+len(b))
	for key := range a {
		keys[key] = true
	}
	for key := range b {
		keys[key] = true
	}
	return keys
}

// lastManager is the field manager, other than this agent, with the newest
// entry that is not about status.
func lastManager(object *unstructured.Unstructured) string {
	manager, newest := "", time.Time{}
	for _, fields := range object.GetManagedFields() {
		if fields.Manager == fieldManager || fields.Subresource != "" || fields.Time == nil {
			continue
		}
		if !fields.Time.Time.Before(newest) {
			manager, newest = fields.Manager, fields.Time.Time
		}
	}
	return manager
}
