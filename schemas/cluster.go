package schemas

// Cluster is one Kubernetes cluster: where it runs, its nodes and its profiles.
type Cluster struct {
	TypeMeta `json:",inline"`
	Metadata Metadata    `json:"metadata"`
	Spec     ClusterSpec `json:"spec"`
}

// ClusterSpec is what a person says of a cluster.
type ClusterSpec struct {
	// Where the cluster runs.
	Cloud Cloud `json:"cloud"`
	// Groups of like nodes.
	NodePools []NodePool `json:"nodePools,omitempty"`
	// Profiles whose layers the cluster gets, in this order.
	Profiles []ProfileRef `json:"profiles" jsonschema:"minItems=1"`
	// Rules of this cluster; a layer's own win.
	Policy Policy `json:"policy,omitempty"`
	// Refuse a commit that removes the cluster (default: true). Deleting a cluster takes two commits: this set to false, then the removal.
	DeletionProtection *bool `json:"deletionProtection,omitempty"`
	// What a person has allowed although it is dangerous.
	Approvals Approvals `json:"approvals,omitempty"`
}

// Protected says whether removing the cluster's file is refused.
func (s *ClusterSpec) Protected() bool {
	return s.DeletionProtection == nil || *s.DeletionProtection
}

// Approvals are given for exactly what an agent's status asks for.
type Approvals struct {
	// Digests of the sets of objects that may be pruned, copied from the status that asked.
	Deletions []string `json:"deletions,omitempty" jsonschema:"pattern=^sha256:[0-9a-f]{64}$"`
}

// ProfileRef is one profile at one version with this cluster's inputs to it.
type ProfileRef struct {
	// Name of the profile.
	Name string `json:"name" jsonschema:"minLength=1"`
	// Exact version of the profile.
	Version string `json:"version" jsonschema:"minLength=1"`
	// Values of the profile's variables.
	Variables map[string]any `json:"variables,omitempty"`
	// Values over those of single layers.
	Layers []LayerOverride `json:"layers,omitempty"`
}

// LayerOverride changes one layer of a profile in one cluster.
type LayerOverride struct {
	// Name of the layer.
	Name string `json:"name" jsonschema:"minLength=1"`
	// Values merged over the profile's.
	Values map[string]any `json:"values,omitempty"`
}

// NodePool is a group of like nodes.
type NodePool struct {
	// Name, unique in the cluster.
	Name string `json:"name" jsonschema:"minLength=1,maxLength=40,pattern=^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"`
	// What the nodes run (default: worker).
	Role string `json:"role,omitempty" jsonschema:"enum=control-plane,enum=worker"`
	// Number of nodes.
	Count int `json:"count" jsonschema:"minimum=0,maximum=10000"`
	// Size of each node.
	Machine Machine `json:"machine,omitempty"`
	// Labels of each node.
	Labels map[string]string `json:"labels,omitempty"`
	// Taints of each node.
	Taints []Taint `json:"taints,omitempty"`
}

// Machine is the size of a node.
type Machine struct {
	// Number of virtual CPUs.
	CPU int `json:"cpu,omitempty" jsonschema:"minimum=1"`
	// Memory in MiB.
	MemoryMiB int `json:"memoryMiB,omitempty" jsonschema:"minimum=1"`
	// Disk in GiB.
	DiskGiB int `json:"diskGiB,omitempty" jsonschema:"minimum=1"`
}

// Taint keeps pods that do not tolerate it away from a node.
type Taint struct {
	Key    string `json:"key" jsonschema:"minLength=1"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect" jsonschema:"enum=NoSchedule,enum=PreferNoSchedule,enum=NoExecute"`
}
