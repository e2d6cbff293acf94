package agent

import (
	"fmt"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// health is what an object's own status says of it.
type health struct {
	Ready  bool
	Reason string // why it is not ready, ends with a cause
}

// assess reads the health of an object by the conventions of kstatus:
// observedGeneration first, then the conditions that its kind defines, then
// Ready. An object that says nothing of itself is ready.
func assess(object *unstructured.Unstructured) health {
	result, err := status.Compute(object)
	switch {
	case err != nil:
		return health{Reason: fmt.Sprintf("status is not readable: %v", err)}
	case result.Status == status.CurrentStatus:
		return health{Ready: true}
	}
	return health{Reason: clip(fmt.Sprintf("%s: %s", result.Status, result.Message))}
}
