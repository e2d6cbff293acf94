package local

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"branchline.dev/branchline/schemas"
)

// agentTokenLife is how long a token of the agent's service account is valid. It
// is renewed when less than half of that is left.
const agentTokenLife = 24 * time.Hour

// ensureAgentToken keeps a valid token in the file that the agent's kubeconfig
// names. renew asks for a new one in any case.
func (p *plane) ensureAgentToken(ctx context.Context, renew bool) error {
	path := p.path("agent.token")
	if token, err := os.ReadFile(path); err == nil && !renew && fresh(string(token), p.now()) {
		return nil
	}
	seconds := int64(agentTokenLife / time.Second)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	answer, err := p.client.CoreV1().ServiceAccounts(schemas.AgentNamespace).
		CreateToken(ctx, schemas.AgentServiceAccount, request, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("request a token of service account %s/%s: %w",
			schemas.AgentNamespace, schemas.AgentServiceAccount, err)
	}
	if err := writeFile(path, []byte(answer.Status.Token)); err != nil {
		return fmt.Errorf("write the agent's token: %w", err)
	}
	return nil
}

// fresh says whether more than half of the life of a JSON web token (RFC 7519)
// is left. Its signature is the API server's business.
func fresh(token string, now time.Time) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return false
	}
	var claims struct {
		IssuedAt int64 `json:"iat"`
		Expires  int64 `json:"exp"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Expires <= claims.IssuedAt {
		return false
	}
	half := claims.IssuedAt + (claims.Expires-claims.IssuedAt)/2
	return claims.IssuedAt <= now.Unix()+60 && now.Unix() < half
}
