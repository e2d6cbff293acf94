package schemas

// The fixed paths of a desired branch.
const (
	DesiredClusterFile        = "cluster.yaml"
	DesiredInfrastructureFile = "infrastructure.yaml"
	LayersDir                 = "layers"
	StatusFile                = "status.yaml"
)

// DesiredRef is the ref that holds the desired state of a cluster. Its sole
// writer is the renderer.
func DesiredRef(cluster string) string { return "refs/heads/desired/" + cluster }

// AgentStatusRef is the ref that holds the AgentStatus of a cluster. Its sole
// writer is that cluster's agent.
func AgentStatusRef(cluster string) string { return "refs/heads/status/" + cluster + "/agent" }

// InfraStatusRef is the ref that holds the InfraStatus of a cluster. Its sole
// writer is the hub or gateway that owns the cluster's infrastructure.
func InfraStatusRef(cluster string) string { return "refs/heads/status/" + cluster + "/infra" }

// DesiredCluster is the root manifest of a desired branch: whom it is for,
// where it came from and what it must contain.
type DesiredCluster struct {
	TypeMeta `json:",inline"`
	Metadata Metadata           `json:"metadata"`
	Spec     DesiredClusterSpec `json:"spec"`
}

// DesiredClusterSpec is the content of a root manifest.
type DesiredClusterSpec struct {
	// Tenant that owns the cluster.
	Tenant string `json:"tenant"`
	// UID of this incarnation of the cluster; a cluster that is deleted and made again gets another.
	UID string `json:"uid"`
	// Generation grows with every commit of the branch; readers never go back to a lower one.
	Generation int64 `json:"generation"`
	// Source is the commit that was rendered.
	Source SourceRef `json:"source"`
	// Renderer is the version of the renderer.
	Renderer string `json:"renderer"`
	// Digest (sha256:hex) of everything that decides what the cluster becomes: all of this
	// document but generation, source and renderer, with the layers' and infrastructure's
	// digests standing for their files. Equal digests mean that nothing is to be done.
	Digest string `json:"digest"`
	// Objects is the number of Kubernetes objects in all layers.
	Objects int `json:"objects"`
	// Layers in apply order.
	Layers []DesiredLayer `json:"layers"`
	// Infrastructure is the digest (sha256:hex) of infrastructure.yaml.
	Infrastructure string `json:"infrastructure,omitempty"`
	// TrustedKeys are the public keys (authorized_keys format) whose commits the cluster accepts from now on.
	TrustedKeys []string `json:"trustedKeys"`
	// Approvals that a person committed.
	Approvals Approvals `json:"approvals,omitempty"`
	// DeletionProtection: the cluster's source may not be removed.
	DeletionProtection bool `json:"deletionProtection"`
	// Tombstone marks the end of the cluster.
	Tombstone *Tombstone `json:"tombstone,omitempty"`
}

// SourceRef names the commit on main that was rendered.
type SourceRef struct {
	// Commit is its full hexadecimal object name.
	Commit string `json:"commit"`
}

// DesiredLayer describes one folder of a desired branch.
type DesiredLayer struct {
	// Name of the layer.
	Name string `json:"name"`
	// Kind of the layer.
	Kind LayerKind `json:"kind"`
	// Path of the folder in the branch, such as layers/10-cni.
	Path string `json:"path"`
	// Profile that the layer comes from, as name@version.
	Profile string `json:"profile"`
	// Pack that was rendered, as name@version.
	Pack string `json:"pack"`
	// DependsOn are the layers that must be healthy first; empty means none.
	DependsOn []string `json:"dependsOn"`
	// Namespace of objects that name none although their kind is namespaced.
	Namespace string `json:"namespace"`
	// Objects is the number of files in the folder; each holds one object.
	Objects int `json:"objects"`
	// Digest (sha256:hex) over the sorted file names and contents: see LayerDigest.
	Digest string `json:"digest"`
	// First are the files (names in Path) of CustomResourceDefinitions and Namespaces, which must be
	// applied and established before the rest of the layer.
	First []string `json:"first,omitempty"`
	// Policy of the layer, with every default filled in.
	Policy Policy `json:"policy"`
}

// Tombstone ends a cluster: its agent stops managing and its provider deletes
// the infrastructure once the grace period has passed.
type Tombstone struct {
	// UID of the cluster that ends; another incarnation ignores the tombstone.
	UID string `json:"uid"`
	// DeletedAt is the time of the source commit that removed the cluster (RFC 3339).
	DeletedAt string `json:"deletedAt"`
}

// DesiredInfrastructure is what a provider needs to know, all references
// resolved.
type DesiredInfrastructure struct {
	TypeMeta `json:",inline"`
	Metadata Metadata                  `json:"metadata"`
	Spec     DesiredInfrastructureSpec `json:"spec"`
}

// DesiredInfrastructureSpec is the content of infrastructure.yaml.
type DesiredInfrastructureSpec struct {
	// Tenant that owns the cluster.
	Tenant string `json:"tenant"`
	// UID of the cluster.
	UID string `json:"uid"`
	// Cloud is where the cluster runs.
	Cloud ResolvedCloud `json:"cloud"`
	// OS is the operating system of the nodes, from the layer of kind os.
	OS *InfraPack `json:"os,omitempty"`
	// Kubernetes is the distribution, from the layer of kind kubernetes.
	Kubernetes *InfraPack `json:"kubernetes,omitempty"`
	// NodePools, with every default filled in.
	NodePools []NodePool `json:"nodePools"`
}

// ResolvedCloud is a cloud with its account's settings beside its own.
type ResolvedCloud struct {
	Type string `json:"type"`
	// Account is the name of the CloudAccount, empty if none is used.
	Account string `json:"account,omitempty"`
	// AccountConfig holds the settings of the account.
	AccountConfig map[string]any `json:"accountConfig,omitempty"`
	// Config holds the settings of the cluster.
	Config map[string]any `json:"config,omitempty"`
}

// InfraPack is a pack that decides about infrastructure, with its final values.
type InfraPack struct {
	Pack    string         `json:"pack"`
	Version string         `json:"version"`
	Values  map[string]any `json:"values,omitempty"`
}
