package local

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// bootstrapManager is the field manager of what is applied for the agent.
const bootstrapManager = "branchline-bootstrap"

// apply sends the objects in order by server-side apply.
func (p *plane) apply(ctx context.Context, objects ...*unstructured.Unstructured) error {
	force := true
	for _, o := range objects {
		resource, err := p.resource(o)
		if err != nil {
			return err
		}
		data, err := json.Marshal(o.Object)
		if err != nil {
			return fmt.Errorf("encode %s %s: %w", o.GetKind(), o.GetName(), err)
		}
		_, err = resource.Patch(ctx, o.GetName(), types.ApplyPatchType, data,
			metav1.PatchOptions{FieldManager: bootstrapManager, Force: &force})
		if err != nil {
			return fmt.Errorf("apply %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	return nil
}

// exist says whether all of the objects are there, whatever they say.
func (p *plane) exist(ctx context.Context, objects []*unstructured.Unstructured) (bool, error) {
	for _, o := range objects {
		resource, err := p.resource(o)
		if err != nil {
			return false, err
		}
		_, err = resource.Get(ctx, o.GetName(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("look for %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	return true, nil
}

// resource is where the API server keeps objects like this one.
func (p *plane) resource(o *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	kind := o.GroupVersionKind()
	mapping, err := p.kinds.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, fmt.Errorf("find the resource of %s %s: %w", kind.Kind, o.GetName(), err)
	}
	return p.dynamic.Resource(mapping.Resource).Namespace(o.GetNamespace()), nil
}
