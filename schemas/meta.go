package schemas

// APIVersion is the only value of apiVersion that this version reads and writes.
const APIVersion = "branchline.dev/v1alpha1"

// The kinds of document, as they stand in the field kind.
const (
	KindTenant                = "Tenant"
	KindClusterProfile        = "ClusterProfile"
	KindPack                  = "Pack"
	KindCluster               = "Cluster"
	KindCloudAccount          = "CloudAccount"
	KindDesiredCluster        = "DesiredCluster"
	KindDesiredInfrastructure = "DesiredInfrastructure"
	KindAgentStatus           = "AgentStatus"
	KindInfraStatus           = "InfraStatus"
)

// TypeMeta opens every document.
type TypeMeta struct {
	// Version of the file format.
	APIVersion string `json:"apiVersion" jsonschema:"enum=branchline.dev/v1alpha1"`
	// What the document describes.
	Kind string `json:"kind"`
}

// Metadata names a document. Identity is kind and name (and version for a
// profile or pack), never the path of the file.
type Metadata struct {
	// Name: lower-case letters, digits and '-', at most 63 characters (an RFC 1123 label).
	Name string `json:"name" jsonschema:"minLength=1,maxLength=63,pattern=^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"`
	// Labels select clusters and show up in lists.
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations are kept and not interpreted.
	Annotations map[string]string `json:"annotations,omitempty"`
}

// DriftPolicy says what an agent does when a live object differs from its
// desired state.
type DriftPolicy string

// The drift policies.
const (
	DriftHeal   DriftPolicy = "heal"   // put the desired state back at once
	DriftAlert  DriftPolicy = "alert"  // report it and leave it
	DriftIgnore DriftPolicy = "ignore" // neither report nor heal
)

// Policy holds the rules that may be set for a cluster or for one layer; the
// layer's wins.
type Policy struct {
	// What to do when a live object differs from its desired state (default: heal).
	Drift DriftPolicy `json:"drift,omitempty" jsonschema:"enum=heal,enum=alert,enum=ignore"`
}
