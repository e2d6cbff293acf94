package local

import (
	"bytes"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
)

// intactInterval is how often it is looked whether all objects of the agent's
// installation are there; its configuration is read at every step.
const intactInterval = 10 * time.Second

// installation is what the agent finds in its cluster.
type installation struct {
	exists  bool   // an agent can start
	applied bool   // just now
	inputs  string // stands for what an agent reads when it starts
	doubt   string // why it is not known whether the agent's token is valid
}

// bootstrapAgent installs what the agent needs in the cluster, and again when
// the manifests have changed, an object is gone or the token is not valid. With
// an error the installation is as far as it was known before.
func (p *plane) bootstrapAgent(ctx context.Context, agent providers.AgentBootstrap) (installation, error) {
	secret, err := p.agentConfiguration(ctx)
	if err != nil {
		return installation{}, err
	}
	found := installationOf(secret)
	token, err := validToken(ctx, agent, secret)
	if err != nil {
		found.doubt = fmt.Sprintf("it is not known whether the agent's access token is valid: %v", err)
		return found, nil
	}
	wanted, err := withoutToken(agent)
	if err != nil {
		return found, err
	}
	if token != "" && secret.Annotations[manifestsAnnotation] == wanted.digest {
		if intact, err := p.intact(ctx, wanted); intact || err != nil {
			return found, err
		}
	}
	if token, err = p.install(ctx, agent, wanted, token); err != nil {
		return found, fmt.Errorf("install the agent: %w", err)
	}
	return installation{exists: true, applied: true, inputs: inputsDigest(wanted.digest, token)}, nil
}

// install applies the manifests and returns the token that the agent has then.
// The configuration comes last: while it is missing, or was made by other
// manifests, the next step begins again. A token is issued only when all else is
// in place.
func (p *plane) install(ctx context.Context, agent providers.AgentBootstrap, wanted manifests, token string) (string, error) {
	p.intactSeen = time.Time{}
	err := p.apply(ctx, wanted.objects...)
	if err != nil {
		return "", err
	}
	if token == "" {
		if token, err = agent.IssueToken(ctx); err != nil {
			return "", fmt.Errorf("issue the agent's access token: %w", err)
		}
	}
	configuration, err := wanted.configurationWith(agent, token)
	if err != nil {
		return "", err
	}
	if err := p.apply(ctx, configuration); err != nil {
		return "", err
	}
	p.intactSeen = p.now()
	p.log.Info("agent installed", "manifests", wanted.digest)
	return token, nil
}

// intact says whether the installation had all its objects when it was last looked.
func (p *plane) intact(ctx context.Context, wanted manifests) (bool, error) {
	now := p.now()
	if !p.intactSeen.IsZero() && now.Sub(p.intactSeen) < intactInterval {
		return true, nil
	}
	all, err := p.exist(ctx, wanted.objects)
	if err != nil {
		return false, fmt.Errorf("check the agent's installation: %w", err)
	}
	if all {
		p.intactSeen = now
	}
	return all, nil
}

// validToken is the token that the agent has and can use, empty if there is none.
func validToken(ctx context.Context, agent providers.AgentBootstrap, secret *corev1.Secret) (string, error) {
	if secret == nil {
		return "", nil
	}
	token := string(secret.Data[providers.AgentTokenKey])
	if token == "" || agent.TokenValid == nil {
		return token, nil
	}
	valid, err := agent.TokenValid(ctx, token)
	if err != nil || !valid {
		return "", err
	}
	return token, nil
}

// agentConfiguration is the Secret that the agent reads first, nil if it is missing.
func (p *plane) agentConfiguration(ctx context.Context) (*corev1.Secret, error) {
	secret, err := p.client.CoreV1().Secrets(schemas.AgentNamespace).Get(ctx, schemas.AgentConfigSecret, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for the agent's configuration: %w", err)
	}
	return secret, nil
}

// installationOf tells the installation from its configuration. What a person
// edits in it by hand is for the agent to notice.
func installationOf(secret *corev1.Secret) installation {
	if secret == nil {
		return installation{}
	}
	digest, token := secret.Annotations[manifestsAnnotation], string(secret.Data[providers.AgentTokenKey])
	return installation{exists: true, inputs: inputsDigest(digest, token)}
}

func inputsDigest(manifests, token string) string {
	return schemas.DigestOf([]byte(manifests + "\n" + token))
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
