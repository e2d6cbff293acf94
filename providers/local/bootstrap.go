package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
)

// bootstrapManager is the field manager of what is applied for the agent.
const bootstrapManager = "branchline-bootstrap"

// bootstrapAgent installs what the agent needs in the cluster, unless its
// configuration is there. That Secret is applied last: while it is missing
// nothing counts as installed, and the next step begins again with a new token.
func (p *plane) bootstrapAgent(ctx context.Context, agent providers.AgentBootstrap) error {
	_, err := p.client.CoreV1().Secrets(schemas.AgentNamespace).Get(ctx, schemas.AgentConfigSecret, metav1.GetOptions{})
	if err == nil {
		return nil
	}
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("look for the agent's configuration: %w", err)
	}
	token, err := agent.IssueToken(ctx)
	if err != nil {
		return fmt.Errorf("issue the agent's access token: %w", err)
	}
	manifests, err := agent.Manifests(token)
	if err != nil {
		return fmt.Errorf("make the agent's manifests: %w", err)
	}
	objects, err := parseManifests(manifests)
	if err != nil {
		return fmt.Errorf("read the agent's manifests: %w", err)
	}
	if objects, err = configurationLast(objects); err != nil {
		return err
	}
	if err := p.apply(ctx, objects); err != nil {
		return fmt.Errorf("install the agent: %w", err)
	}
	return nil
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

// configurationLast moves the Secret that marks the agent as installed to the end.
func configurationLast(objects []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	var first, last []*unstructured.Unstructured
	for _, o := range objects {
		if o.GetKind() == "Secret" && o.GetNamespace() == schemas.AgentNamespace && o.GetName() == schemas.AgentConfigSecret {
			last = append(last, o)
		} else {
			first = append(first, o)
		}
	}
	if len(last) != 1 {
		return nil, fmt.Errorf("the agent's manifests hold %d Secrets %s/%s; exactly one is needed",
			len(last), schemas.AgentNamespace, schemas.AgentConfigSecret)
	}
	return append(first, last...), nil
}

// apply sends the objects in order by server-side apply.
func (p *plane) apply(ctx context.Context, objects []*unstructured.Unstructured) error {
	client, err := dynamic.NewForConfig(p.config)
	if err != nil {
		return err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(p.client.Discovery()))
	force := true
	for _, o := range objects {
		kind := o.GroupVersionKind()
		mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			return fmt.Errorf("find the resource of %s %s: %w", kind.Kind, o.GetName(), err)
		}
		data, err := json.Marshal(o.Object)
		if err != nil {
			return fmt.Errorf("encode %s %s: %w", kind.Kind, o.GetName(), err)
		}
		_, err = client.Resource(mapping.Resource).Namespace(o.GetNamespace()).
			Patch(ctx, o.GetName(), types.ApplyPatchType, data, metav1.PatchOptions{FieldManager: bootstrapManager, Force: &force})
		if err != nil {
			return fmt.Errorf("apply %s %s: %w", kind.Kind, o.GetName(), err)
		}
	}
	return nil
}

// agentPublicKey is the key that the agent made at its first start, empty before.
func (p *plane) agentPublicKey(ctx context.Context) (string, error) {
	secret, err := p.client.CoreV1().Secrets(schemas.AgentNamespace).Get(ctx, schemas.AgentIdentitySecret, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the agent's public key: %w", err)
	}
	return string(bytes.TrimSpace(secret.Data["publicKey"])), nil
}
