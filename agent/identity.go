package agent

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// loadIdentity gives the key that signs this cluster's status and makes it at
// the first start. Of two agents that start at once both use the key that was
// stored first.
func loadIdentity(ctx context.Context, api api, random io.Reader) (*sync.Signer, error) {
	signer, err := readIdentity(ctx, api)
	if !apierrors.IsNotFound(err) {
		return signer, err
	}
	signer, err = sync.GenerateSigner(random)
	if err != nil {
		return nil, fmt.Errorf("generate the agent's signing key: %w", err)
	}
	private, err := signer.MarshalPrivate()
	if err != nil {
		return nil, fmt.Errorf("encode the agent's signing key: %w", err)
	}
	object := memoryObject("Secret", schemas.AgentIdentitySecret)
	object.Object["data"] = map[string]any{
		"privateKey": base64.StdEncoding.EncodeToString(private),
		"publicKey":  base64.StdEncoding.EncodeToString([]byte(signer.PublicKey())),
	}
	_, err = api.of(secrets(), schemas.AgentNamespace).Create(ctx, object, metav1.CreateOptions{FieldManager: fieldManager})
	if apierrors.IsAlreadyExists(err) {
		return readIdentity(ctx, api)
	}
	if err != nil {
		return nil, fmt.Errorf("store Secret %s: %w", schemas.AgentIdentitySecret, refused(object.GroupVersionKind().GroupKind(), err))
	}
	return signer, nil
}

func readIdentity(ctx context.Context, api api) (*sync.Signer, error) {
	object, err := api.of(secrets(), schemas.AgentNamespace).Get(ctx, schemas.AgentIdentitySecret, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read Secret %s: %w", schemas.AgentIdentitySecret, err)
	}
	values, err := secretData(object)
	if err != nil {
		return nil, fmt.Errorf("read Secret %s: %w", schemas.AgentIdentitySecret, err)
	}
	signer, err := sync.ParseSigner([]byte(values["privateKey"]))
	if err != nil {
		// The parser's own words could quote the key.
		return nil, fmt.Errorf("read Secret %s: privateKey is not an OpenSSH ed25519 key; delete the Secret to have a new one made", schemas.AgentIdentitySecret)
	}
	return signer, nil
}
