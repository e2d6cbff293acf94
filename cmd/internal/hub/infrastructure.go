package hub

import (
	"context"
	"math/rand/v2"

	"branchline.dev/branchline/agent"
	"branchline.dev/branchline/gateway"
	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// newGateway makes what converges a tenant's infrastructure.
func (h *Hub) newGateway(t *tenant) (*gateway.Gateway, error) {
	repository := gateway.Repository{Repository: t.repository, Signer: h.signer}
	return gateway.New(gateway.Options{
		Tenant:        t.name,
		TrustedKeys:   []string{h.signer.PublicKey()},
		Source:        repository,
		Sink:          repository,
		Providers:     h.options.Providers,
		Bootstrap:     t.bootstrap,
		DeletionGrace: h.options.DeletionGrace,
		Random:        rand.Float64,
		Log:           h.log.With("tenant", t.name),
	})
}

// bootstrap tells a provider how to install the agent of a cluster.
func (t *tenant) bootstrap(cluster schemas.DesiredCluster) providers.AgentBootstrap {
	name := cluster.Metadata.Name
	return providers.AgentBootstrap{
		IssueToken: func(context.Context) (string, error) {
			return t.hub.tokens.issue(grant{Tenant: t.name, Kind: sync.Agent, Name: "agent", Cluster: name})
		},
		TokenValid: func(_ context.Context, token string) (bool, error) {
			principal, ok := t.hub.tokens.authenticate(t.name, token)
			return ok && principal.Kind == sync.Agent && principal.Cluster == name, nil
		},
		Manifests: func(token string) ([]byte, error) {
			return agent.Manifests(agent.Install{
				Repository:   t.hub.RepositoryURL(t.name),
				Token:        token,
				Tenant:       t.name,
				Cluster:      name,
				UID:          cluster.Spec.UID,
				TrustedKeys:  []string{t.hub.signer.PublicKey()},
				PollInterval: t.hub.options.PollInterval,
			})
		},
	}
}
