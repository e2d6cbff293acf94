package agent

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"branchline.dev/branchline/schemas"
)

// maxObjectBytes is above what an API server stores (1.5 MiB by default).
const maxObjectBytes = 3 << 20

// objectID names an object whatever version of its kind it is read with.
type objectID struct {
	Group, Kind, Namespace, Name string
}

// String gives kind[.group]/namespace/name, the form used in status.
func (id objectID) String() string {
	kind := id.Kind
	if id.Group != "" {
		kind += "." + id.Group
	}
	if id.Namespace == "" {
		return kind + "/" + id.Name
	}
	return kind + "/" + id.Namespace + "/" + id.Name
}

func (id objectID) groupKind() schema.GroupKind {
	return schema.GroupKind{Group: id.Group, Kind: id.Kind}
}

// desiredObject is one file of a layer. Only its bytes are kept: parsed objects
// of a large cluster would not fit the agent's memory.
type desiredObject struct {
	GVK       schema.GroupVersionKind
	Namespace string // as the file says: empty until the scope of the kind is known
	Name      string
	Layer     string
	File      string
	First     bool
	Hash      string // of everything that decides what is sent to the API server
	Content   []byte
}

// readObject checks that a file holds one applicable object.
func readObject(content []byte) (schema.GroupVersionKind, *unstructured.Unstructured, error) {
	none := schema.GroupVersionKind{}
	if len(content) > maxObjectBytes {
		return none, nil, fmt.Errorf("larger than %d bytes", maxObjectBytes)
	}
	if bytes.Contains(content, []byte("\n---\n")) {
		return none, nil, errors.New("holds several documents, write one object a file")
	}
	asJSON, err := yaml.YAMLToJSONStrict(content)
	if err != nil {
		return none, nil, errors.New("is not valid YAML or names a field twice")
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(asJSON); err != nil {
		return none, nil, errors.New("is not a Kubernetes object: apiVersion or kind is missing")
	}
	gvk := object.GroupVersionKind()
	switch {
	case object.IsList():
		return none, nil, errors.New("is a list, write one object a file")
	case gvk.Version == "" || gvk.Kind == "":
		return none, nil, errors.New("has no valid apiVersion and kind")
	case object.GetName() == "":
		return none, nil, errors.New("has no metadata.name")
	case strings.ContainsAny(object.GetName()+object.GetNamespace(), "/%\x00"):
		return none, nil, errors.New("has a name with a character that no name may have")
	}
	return gvk, object, nil
}

func isSecret(kind schema.GroupKind) bool { return kind == schema.GroupKind{Kind: "Secret"} }

// hashObject covers all inputs of prepare.
func hashObject(owner, layer, namespace string, content []byte) string {
	hash := sha256.New()
	for _, part := range []string{owner, layer, namespace} {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	hash.Write(content)
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

// belongsToAgent says whether desired state must keep its hands off an object
// because the agent keeps its own memory or rights in it.
func (id objectID) belongsToAgent() bool {
	if id.Group != "" || id.Namespace != schemas.AgentNamespace || (id.Kind != "Secret" && id.Kind != "ConfigMap") {
		return false
	}
	return strings.HasPrefix(id.Name, schemas.AgentConfigSecret) || strings.HasPrefix(id.Name, inventoryPrefix)
}
