package schemas

// What an agent finds and keeps in its cluster.
const (
	// AgentNamespace holds the agent and all that it stores.
	AgentNamespace = "branchline-system"
	// AgentConfigSecret is made by whoever installs the agent; see package agent for its keys.
	AgentConfigSecret = "branchline-agent"
	// AgentIdentitySecret is made by the agent at its first start: its signing key
	// (privateKey, never leaves the cluster) and publicKey (authorized_keys format).
	AgentIdentitySecret = "branchline-agent-identity"
	// AgentServiceAccount is what the agent acts as.
	AgentServiceAccount = "branchline-agent"
)

// Labels that an agent puts on each object that it owns.
const (
	OwnerLabel = "branchline.dev/owner" // UID of the cluster
	LayerLabel = "branchline.dev/layer" // name of the layer
)

// PruneAnnotation set to "disabled" on a live object keeps it from being
// pruned.
const PruneAnnotation = "branchline.dev/prune"
