package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// adoptAttempts is how often an adoption is tried at once while controllers
// write to the same object.
const adoptAttempts = 10

// adopt completes the first apply to an object that somebody made with kubectl
// or Helm: it ends their ownership of fields. Server-side apply removes a field
// only when its last owner drops it, so what is removed from Git later would
// stay for ever. No value changes: fields that Git never mentioned remain, with
// no owner.
func (r *Reconciler) adopt(ctx context.Context, j job, applied *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if others := otherManagers(applied.GetManagedFields()); len(others) > 0 {
		r.log.Info("adopted an object that existed", "object", j.id.String(), "layer", j.object.Layer, "managers", strings.Join(others, ", "))
	}
	object := applied
	for range adoptAttempts {
		body, err := disownPatch(object)
		if err != nil || body == nil {
			return object, err
		}
		client := r.api.of(j.resource, j.id.Namespace)
		next, err := client.Patch(ctx, j.id.Name, types.JSONPatchType, body, metav1.PatchOptions{FieldManager: fieldManager})
		if err == nil {
			return next, nil
		}
		if !apierrors.IsConflict(err) {
			return nil, fmt.Errorf("end the ownership of former managers: %w", refused(j.id.groupKind(), err))
		}
		if object, err = client.Get(ctx, j.id.Name, metav1.GetOptions{}); err != nil {
			return nil, fmt.Errorf("read again: %w", err)
		}
		if object.GetUID() != applied.GetUID() {
			return nil, fmt.Errorf("was replaced while it was adopted, it is applied again")
		}
	}
	return nil, fmt.Errorf("changed %d times while it was adopted, it is tried again later", adoptAttempts)
}

// patchOperation is one of RFC 6902.
type patchOperation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// disownPatch removes the entries of former managers, if nobody wrote to the
// object meanwhile; nil if there are none.
func disownPatch(object *unstructured.Unstructured) ([]byte, error) {
	entries := object.GetManagedFields()
	var kept []metav1.ManagedFieldsEntry
	for _, entry := range entries {
		if !isFormerManager(entry) {
			kept = append(kept, entry)
		}
	}
	if len(kept) == len(entries) {
		return nil, nil
	}
	return json.Marshal([]patchOperation{
		{"replace", "/metadata/managedFields", kept},
		{"replace", "/metadata/resourceVersion", object.GetResourceVersion()}, // another one is a conflict
	})
}

// isFormerManager recognises the tools by which people manage objects, whether
// they sent updates or applied server-side. Controllers are none, nor is what
// anybody wrote to a subresource such as status or scale.
func isFormerManager(entry metav1.ManagedFieldsEntry) bool {
	if entry.Subresource != "" {
		return false
	}
	switch entry.Manager {
	case "kubectl", "helm", "before-first-apply": // the last is the API server's name for whoever wrote before it kept record
		return true
	}
	return strings.HasPrefix(entry.Manager, "kubectl-") // -client-side-apply, -create, -edit, …
}

func otherManagers(entries []metav1.ManagedFieldsEntry) []string {
	var others []string
	for _, entry := range entries {
		if entry.Manager != fieldManager {
			others = append(others, entry.Manager)
		}
	}
	return others
}
