package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"

	"branchline.dev/branchline/agent"
	"branchline.dev/branchline/schemas"
)

// install puts an agent's configuration and rights into the cluster, in place of
// those of an agent before, and gives a token of its service account.
func (p *plane) install(ctx context.Context, install agent.Install) (token string, err error) {
	if err := p.forgetAgent(ctx); err != nil {
		return "", err
	}
	manifests, err := agent.Manifests(install)
	if err != nil {
		return "", err
	}
	if err := p.apply(ctx, manifests); err != nil {
		return "", fmt.Errorf("install the agent: %w", err)
	}
	answer, err := p.client.CoreV1().ServiceAccounts(schemas.AgentNamespace).
		CreateToken(ctx, schemas.AgentServiceAccount, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("get a token for the agent: %w", err)
	}
	return answer.Status.Token, nil
}

// forgetAgent removes what an agent before has stored.
func (p *plane) forgetAgent(ctx context.Context) error {
	secrets, none := p.client.CoreV1().Secrets(schemas.AgentNamespace), metav1.ListOptions{}
	if err := secrets.DeleteCollection(ctx, metav1.DeleteOptions{}, none); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return p.clear(ctx, schemas.AgentNamespace)
}

func (p *plane) apply(ctx context.Context, manifests []byte) error {
	client, err := dynamic.NewForConfig(p.config)
	if err != nil {
		return err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(p.client.Discovery()))
	for decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(string(manifests)), 4096); ; {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if len(object.Object) == 0 {
			continue
		}
		kind := object.GroupVersionKind()
		mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			return err
		}
		_, err = client.Resource(mapping.Resource).Namespace(object.GetNamespace()).
			Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "bench", Force: true})
		if err != nil {
			return fmt.Errorf("apply %s %s: %w", kind.Kind, object.GetName(), err)
		}
	}
}
