package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// fieldManager owns the fields that desired state sets.
const fieldManager = "branchline-agent"

// api is the few calls that the agent makes for single objects.
type api struct{ client dynamic.Interface }

func (a api) of(resource schema.GroupVersionResource, namespace string) dynamic.ResourceInterface {
	if namespace == "" {
		return a.client.Resource(resource)
	}
	return a.client.Resource(resource).Namespace(namespace)
}

// apply sends an object by server-side apply. Fields that others own and the
// object sets are taken over: the desired state decides.
func (a api) apply(ctx context.Context, resource schema.GroupVersionResource, object *unstructured.Unstructured, dryRun bool) (*unstructured.Unstructured, error) {
	body, err := object.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", object.GetName(), err)
	}
	force := true
	options := metav1.PatchOptions{FieldManager: fieldManager, Force: &force}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	applied, err := a.of(resource, object.GetNamespace()).Patch(ctx, object.GetName(), types.ApplyPatchType, body, options)
	if err != nil {
		return nil, refused(object.GroupVersionKind().GroupKind(), err)
	}
	return applied, nil
}

// delete removes exactly the object with this UID, and leaves what depends on
// it to the garbage collector.
func (a api) delete(ctx context.Context, resource schema.GroupVersionResource, id objectID, uid string) error {
	background := metav1.DeletePropagationBackground
	exact := types.UID(uid)
	err := a.of(resource, id.Namespace).Delete(ctx, id.Name, metav1.DeleteOptions{
		Preconditions:     &metav1.Preconditions{UID: &exact},
		PropagationPolicy: &background,
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return refused(id.groupKind(), err)
	}
	return nil
}

// refused gives an error that may be shown. What an API server says of a
// Secret can quote its values, so only the class of that error is kept.
func refused(kind schema.GroupKind, err error) error {
	if !isSecret(kind) || errors.Is(err, context.Canceled) {
		return err
	}
	var answer apierrors.APIStatus
	if !errors.As(err, &answer) {
		return err
	}
	return fmt.Errorf("the API server refused the Secret: %d %s (its message is withheld, it may quote values); compare the Secret's fields with the API reference",
		answer.Status().Code, answer.Status().Reason)
}

// explain adds what to do to errors that a person has to solve.
func explain(err error) string {
	text := err.Error()
	switch {
	case isImmutable(err):
		text += "; the agent deletes nothing to change an immutable field: give the object a new name, or delete it by hand"
	case apierrors.IsForbidden(err):
		text += "; the agent's ClusterRole or an admission rule does not allow it"
	}
	return clip(text)
}

// isImmutable looks for the API server's own wording: the code 422 alone also
// stands for every other invalid value.
func isImmutable(err error) bool {
	var answer apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &answer) || answer.Status().Details == nil {
		return false
	}
	for _, cause := range answer.Status().Details.Causes {
		if isImmutableCause(cause.Message) {
			return true
		}
	}
	return false
}

// Kubernetes has no code for immutability; these are the words of its
// validation (apimachinery ValidateImmutableField and the checks of
// Deployments, StatefulSets and Jobs).
func isImmutableCause(message string) bool {
	return strings.Contains(message, "field is immutable") ||
		strings.Contains(message, "updates to statefulset spec for fields other than")
}
