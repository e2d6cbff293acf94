// Package providers defines what every cloud must be able to do. A provider
// keeps no database: it is told the desired infrastructure and finds what
// exists by ownership (tenant, cluster UID, pool).
//
// One folder below this one implements one cloud; package all lists them.
package providers

import (
	"context"
	"time"

	"branchline.dev/branchline/schemas"
)

// Provider brings the infrastructure of clusters to its desired state, a step
// at a time. Both methods are safe to call again at any time, also after the
// process was killed between or during two calls, and neither waits for a long
// operation: it performs the next safe actions and says when to come back.
// Calls for different clusters may run concurrently; calls for one may not.
type Provider interface {
	// Converge observes what exists, compares and does what can be done now.
	// An error means that the step could not be made (the cloud is out of
	// reach, say): what exists is then unknown, not absent.
	Converge(ctx context.Context, cluster Cluster) (Observation, error)
	// Delete takes down what belongs to the cluster, in reverse order, until
	// the observed phase is InfraDeleted.
	Delete(ctx context.Context, cluster Cluster) (Observation, error)
}

// Cluster is the input of one step.
type Cluster struct {
	// Name of the cluster.
	Name string
	// Desired is what to bring about. Delete is given the last known one.
	Desired schemas.DesiredInfrastructureSpec
	// Agent is what the cluster's agent needs for its first start.
	Agent AgentBootstrap
}

// AgentBootstrap is what a provider needs to install the cluster's agent and to
// keep it installed as it should be: the manifests are applied when they are not
// those that were applied before, when an object of theirs is gone, and when the
// agent holds no valid token. Errors of the functions are shown to people: they
// never hold a token.
type AgentBootstrap struct {
	// IssueToken returns a new access token for this cluster's agent and
	// revokes those issued before. Call it only when the cluster holds none
	// that is valid.
	IssueToken func(ctx context.Context) (string, error)
	// TokenValid says whether a token that the cluster holds still gives its
	// agent access; a provider may ask at every step. An error means that this
	// is unknown: then nothing of the agent is changed. Nil means always valid.
	TokenValid func(ctx context.Context, token string) (bool, error)
	// Manifests returns the YAML documents to apply for an agent that uses
	// token: namespace, service account, RBAC, configuration. The token stands
	// nowhere but in Secret schemas.AgentConfigSecret, under AgentTokenKey, and
	// the same inputs give the same bytes: a provider also asks with a text that
	// is no token, to see whether anything else has changed.
	Manifests func(token string) ([]byte, error)
}

// AgentTokenKey is the key of Secret schemas.AgentConfigSecret that holds the
// agent's access token.
const AgentTokenKey = "token"

// Observation is the outcome of one step.
type Observation struct {
	Phase schemas.InfraPhase
	// Conditions without transition times: the caller keeps those.
	Conditions []schemas.Condition
	// Endpoint is the URL of the Kubernetes API server, once there is one.
	Endpoint string
	// KubernetesVersion that runs, once known.
	KubernetesVersion string
	Nodes             []schemas.NodeStatus
	// AgentPublicKey (authorized_keys format) of the installed agent, once known.
	AgentPublicKey string
	// RequeueAfter is how long to wait before the next step; 0 means the
	// caller's ordinary interval.
	RequeueAfter time.Duration
}
