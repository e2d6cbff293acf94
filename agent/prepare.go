package agent

import (
	"encoding/base64"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/scheme"

	"branchline.dev/branchline/schemas"
)

// prepare gives the object as it is applied: with the owner's labels and
// without what only the API server may write.
func (o desiredObject) prepare(namespace, owner string) (*unstructured.Unstructured, error) {
	_, object, err := readObject(o.Content)
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", o.File, err)
	}
	for _, field := range []string{"creationTimestamp", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"} {
		unstructured.RemoveNestedField(object.Object, "metadata", field)
	}
	delete(object.Object, "status")
	object.SetNamespace(namespace)
	if namespace == "" {
		unstructured.RemoveNestedField(object.Object, "metadata", "namespace")
	}
	labels := object.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[schemas.OwnerLabel], labels[schemas.LayerLabel] = owner, o.Layer
	object.SetLabels(labels)
	encodeStringData(object)
	if scheme.Scheme.Recognizes(object.GroupVersionKind()) {
		dropNulls(object.Object)
	}
	return object, nil
}

// encodeStringData moves stringData of a Secret to data. The API server never
// returns stringData, so fields removed from it would stay in data for ever.
func encodeStringData(object *unstructured.Unstructured) {
	if !isSecret(object.GroupVersionKind().GroupKind()) {
		return
	}
	texts, _, err := unstructured.NestedStringMap(object.Object, "stringData")
	if err != nil || len(texts) == 0 {
		return
	}
	data, _, err := unstructured.NestedMap(object.Object, "data")
	if err != nil {
		return
	}
	if data == nil {
		data = map[string]any{}
	}
	for key, text := range texts {
		data[key] = base64.StdEncoding.EncodeToString([]byte(text))
	}
	object.Object["data"] = data
	delete(object.Object, "stringData")
}

// dropNulls leaves out fields that are written as null, which charts do for a
// value that is not set. Applied they would be owned, and what an autoscaler or
// a person sets there would be taken for drift. It is for built-in kinds only:
// they tell null from absent nowhere, custom resources may.
func dropNulls(value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, field := range value {
			if field == nil {
				delete(value, key)
			} else {
				dropNulls(field)
			}
		}
	case []any:
		for _, item := range value {
			dropNulls(item)
		}
	}
}
