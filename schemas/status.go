package schemas

// Condition follows the conventions of Kubernetes conditions: it changes its
// time only when its status changes, and its message holds no time.
type Condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"` // True, False or Unknown
	Reason  string `json:"reason"`
	Message string `json:"message,omitempty"`
	// LastTransitionTime is when status last changed (RFC 3339, UTC).
	LastTransitionTime string `json:"lastTransitionTime"`
}

// The types of conditions.
const (
	ConditionReady   = "Ready"   // everything desired is applied and healthy
	ConditionFetched = "Fetched" // the last look at the desired branch succeeded and was trusted
	ConditionApplied = "Applied" // every object of the observed commit was accepted by the API server
	ConditionHealthy = "Healthy" // every applied object is healthy
	ConditionPruned  = "Pruned"  // nothing that should be gone is left
	ConditionDrifted = "Drifted" // a live object differs from its desired state and policy says not to heal
)

// AgentStatus is what an agent reports of its cluster.
type AgentStatus struct {
	TypeMeta `json:",inline"`
	Metadata Metadata        `json:"metadata"`
	Status   AgentStatusBody `json:"status"`
}

// AgentStatusBody is the content of an AgentStatus. The encoded document never
// exceeds 64 KiB, whatever the cluster's size: lists hold the first entries and
// the counts tell the rest.
type AgentStatusBody struct {
	Tenant string `json:"tenant"`
	UID    string `json:"uid"`
	// Sequence grows by one with every status of this agent.
	Sequence int64 `json:"sequence"`
	// Previous is the commit of the status before this one, empty for the first.
	Previous string `json:"previous,omitempty"`
	// Observed is the newest desired commit that was fetched and trusted.
	Observed DesiredRevision `json:"observed"`
	// Applied is the newest desired commit that was applied as a whole.
	Applied DesiredRevision `json:"applied"`
	// Conditions of the cluster as a whole.
	Conditions []Condition `json:"conditions"`
	// Layers in apply order.
	Layers []LayerStatus `json:"layers,omitempty"`
	// Drift lists the first objects that differ and are not healed by policy.
	Drift []ObjectIssue `json:"drift,omitempty"`
	// DriftCount is how many there are.
	DriftCount int `json:"driftCount,omitempty"`
	// Healed counts the objects that were put right since the agent first ran.
	Healed int64 `json:"healed,omitempty"`
	// Failing lists the first objects that could not be applied or are not healthy.
	Failing []ObjectIssue `json:"failing,omitempty"`
	// FailingCount is how many there are.
	FailingCount int `json:"failingCount,omitempty"`
	// PendingApprovals lists what waits for a person.
	PendingApprovals []PendingApproval `json:"pendingApprovals,omitempty"`
	// InventoryObjects is how many objects the agent owns.
	InventoryObjects int `json:"inventoryObjects"`
	// AgentVersion is the version of the agent's program.
	AgentVersion string `json:"agentVersion"`
	// KubernetesVersion is what the API server says of itself.
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`
	// Nodes sums up the cluster's nodes.
	Nodes NodeSummary `json:"nodes"`
}

// DesiredRevision is one commit of a desired branch.
type DesiredRevision struct {
	Commit     string `json:"commit,omitempty"`
	Generation int64  `json:"generation,omitempty"`
	// Source is the commit on main that it was rendered from.
	Source string `json:"source,omitempty"`
}

// LayerPhase is how far a layer has come for the observed commit.
type LayerPhase string

// The phases of a layer.
const (
	LayerWaiting     LayerPhase = "Waiting"     // a layer that it depends on is not healthy yet
	LayerApplying    LayerPhase = "Applying"    // objects are being sent
	LayerFailed      LayerPhase = "Failed"      // an object was refused
	LayerProgressing LayerPhase = "Progressing" // applied, not healthy yet
	LayerHealthy     LayerPhase = "Healthy"     // applied and healthy
)

// LayerStatus is the state of one layer.
type LayerStatus struct {
	Name    string     `json:"name"`
	Phase   LayerPhase `json:"phase"`
	Objects int        `json:"objects"`
	Ready   int        `json:"ready"`
	Message string     `json:"message,omitempty"`
}

// ObjectIssue is one object and what is wrong with it.
type ObjectIssue struct {
	// Object is kind[.group]/namespace/name; namespace is absent for cluster-scoped kinds.
	Object string `json:"object"`
	Layer  string `json:"layer"`
	Reason string `json:"reason"`
}

// PendingApproval is something dangerous that the agent will do only once a
// commit allows it.
type PendingApproval struct {
	// Digest to put into spec.approvals.deletions of the cluster.
	Digest string `json:"digest"`
	// Objects is how many would be deleted.
	Objects int `json:"objects"`
	// Sample lists up to 50 of them, the most dangerous first.
	Sample []string `json:"sample"`
	// Reason why it needs approval.
	Reason string `json:"reason"`
}

// NodeSummary counts nodes.
type NodeSummary struct {
	Total int `json:"total"`
	Ready int `json:"ready"`
}

// InfraPhase is how far a cluster's infrastructure has come.
type InfraPhase string

// The phases of infrastructure.
const (
	InfraPending      InfraPhase = "Pending"      // nothing has been started
	InfraProvisioning InfraPhase = "Provisioning" // being made
	InfraReady        InfraPhase = "Ready"        // as desired
	InfraUpdating     InfraPhase = "Updating"     // usable, being changed to what is desired
	InfraDegraded     InfraPhase = "Degraded"     // something is wrong; see the conditions
	InfraDeleting     InfraPhase = "Deleting"     // being taken down
	InfraDeleted      InfraPhase = "Deleted"      // nothing is left
)

// InfraStatus is what a hub or gateway reports of a cluster's infrastructure.
type InfraStatus struct {
	TypeMeta `json:",inline"`
	Metadata Metadata        `json:"metadata"`
	Status   InfraStatusBody `json:"status"`
}

// InfraStatusBody is the content of an InfraStatus.
type InfraStatusBody struct {
	Tenant   string `json:"tenant"`
	UID      string `json:"uid"`
	Sequence int64  `json:"sequence"`
	// Previous is the commit of the status before this one, empty for the first.
	Previous string          `json:"previous,omitempty"`
	Observed DesiredRevision `json:"observed"`
	Phase    InfraPhase      `json:"phase"`
	// Conditions of the infrastructure.
	Conditions []Condition `json:"conditions"`
	// Endpoint is the URL of the Kubernetes API server.
	Endpoint string `json:"endpoint,omitempty"`
	// KubernetesVersion is what runs.
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`
	// Nodes that exist.
	Nodes []NodeStatus `json:"nodes,omitempty"`
	// AgentPublicKey (authorized_keys format) signs the cluster's AgentStatus.
	AgentPublicKey string `json:"agentPublicKey,omitempty"`
}

// NodeStatus is one machine.
type NodeStatus struct {
	Name  string `json:"name"`
	Pool  string `json:"pool"`
	Phase string `json:"phase"`
}
