package local

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
)

// manifestsAnnotation of the agent's configuration tells which manifests were
// applied: their digest with noToken in place of the token.
const manifestsAnnotation = "branchline.dev/manifests"

// noToken stands for the token where manifests are only compared.
const noToken = "no-token"

// manifests are what an agent is installed by.
type manifests struct {
	digest        string                       // of the manifests without a token
	objects       []*unstructured.Unstructured // all but the configuration, in the order to apply
	configuration *unstructured.Unstructured   // the Secret that marks the agent as installed
}

// withoutToken are the manifests as they can be compared. Of their objects only
// the configuration is not fit to be applied.
func withoutToken(agent providers.AgentBootstrap) (manifests, error) {
	data, err := agent.Manifests(noToken)
	if err != nil {
		return manifests{}, fmt.Errorf("make the agent's manifests: %w", err)
	}
	m, err := readManifests(data)
	m.digest = schemas.DigestOf(data)
	return m, err
}

// configurationWith is the Secret for an agent that uses token.
func (m manifests) configurationWith(agent providers.AgentBootstrap, token string) (*unstructured.Unstructured, error) {
	data, err := agent.Manifests(token)
	if err != nil {
		return nil, fmt.Errorf("make the agent's manifests: %w", err)
	}
	complete, err := readManifests(data)
	if err != nil {
		return nil, err
	}
	secret := complete.configuration
	annotations := secret.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[manifestsAnnotation] = m.digest
	secret.SetAnnotations(annotations)
	return secret, encodeStringData(secret)
}

// encodeStringData moves stringData to data: server-side apply forgets whom keys
// of stringData belong to and would keep those that are no longer wanted.
func encodeStringData(secret *unstructured.Unstructured) error {
	texts, _, err := unstructured.NestedStringMap(secret.Object, "stringData")
	if err != nil {
		return fmt.Errorf("encode the agent's configuration: stringData is not a mapping of texts")
	}
	unstructured.RemoveNestedField(secret.Object, "stringData")
	for key, text := range texts {
		encoded := base64.StdEncoding.EncodeToString([]byte(text))
		if err := unstructured.SetNestedField(secret.Object, encoded, "data", key); err != nil {
			return fmt.Errorf("encode the agent's configuration: data is not a mapping")
		}
	}
	return nil
}

// readManifests reads the documents and finds the configuration among them.
func readManifests(data []byte) (manifests, error) {
	objects, err := parseManifests(data)
	if err != nil {
		return manifests{}, fmt.Errorf("read the agent's manifests: %w", err)
	}
	var m manifests
	found := 0
	for _, o := range objects {
		if o.GetKind() == "Secret" && o.GetNamespace() == schemas.AgentNamespace && o.GetName() == schemas.AgentConfigSecret {
			m.configuration = o
			found++
		} else {
			m.objects = append(m.objects, o)
		}
	}
	if found != 1 {
		return manifests{}, fmt.Errorf("the agent's manifests hold %d Secrets %s/%s; exactly one is needed",
			found, schemas.AgentNamespace, schemas.AgentConfigSecret)
	}
	return m, nil
}

// parseManifests reads a stream of YAML documents. Its errors never quote the
// documents: one of them holds a token.
func parseManifests(manifests []byte) ([]*unstructured.Unstructured, error) {
	reader := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(manifests)))
	defer reader.Close()
	var objects []*unstructured.Unstructured
	buffer := make([]byte, len(manifests)+1)
	for number := 1; ; number++ {
		n, err := reader.Read(buffer)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: not readable as YAML", number)
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(buffer[:n], &object.Object); err != nil {
			return nil, fmt.Errorf("document %d: not readable as a YAML mapping", number)
		}
		if len(object.Object) == 0 {
			continue // comments only
		}
		if object.GetKind() == "" || object.GetAPIVersion() == "" || object.GetName() == "" {
			return nil, fmt.Errorf("document %d: apiVersion, kind or metadata.name is missing", number)
		}
		objects = append(objects, object)
	}
}
