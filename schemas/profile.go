package schemas

// ClusterProfile is an ordered list of layers that clusters share.
type ClusterProfile struct {
	TypeMeta `json:",inline"`
	Metadata Metadata           `json:"metadata"`
	Spec     ClusterProfileSpec `json:"spec"`
}

// ClusterProfileSpec is what a profile consists of.
type ClusterProfileSpec struct {
	// Version of this profile; several versions of one name may live side by side.
	Version string `json:"version" jsonschema:"minLength=1,maxLength=128,pattern=^[0-9A-Za-z][-+.0-9A-Za-z_]*$"`
	// full: infrastructure and add-ons; infra: os, kubernetes, cni and csi layers only; addon: add-on layers only. (default: full)
	Type string `json:"type,omitempty" jsonschema:"enum=full,enum=infra,enum=addon"`
	// Variables that clusters set and that values refer to as ${var.NAME}.
	Variables []Variable `json:"variables,omitempty"`
	// Layers in apply order.
	Layers []Layer `json:"layers" jsonschema:"minItems=1"`
}

// Variable declares one input of a profile: its type, limits and default. The
// limits have the meaning of the JSON Schema keywords of the same name.
type Variable struct {
	// Name, used as ${var.NAME}.
	Name string `json:"name" jsonschema:"pattern=^[A-Za-z_][A-Za-z0-9_]*$"`
	// Type of the value.
	Type string `json:"type" jsonschema:"enum=string,enum=integer,enum=number,enum=boolean,enum=array,enum=object"`
	// Shown to whoever sets the variable.
	Description string `json:"description,omitempty"`
	// Value when a cluster sets none.
	Default any `json:"default,omitempty"`
	// A cluster must set it.
	Required bool `json:"required,omitempty"`
	// The allowed values.
	Enum []any `json:"enum,omitempty"`
	// Smallest allowed number.
	Minimum *float64 `json:"minimum,omitempty"`
	// Largest allowed number.
	Maximum *float64 `json:"maximum,omitempty"`
	// Shortest allowed string, in characters.
	MinLength *int `json:"minLength,omitempty" jsonschema:"minimum=0"`
	// Longest allowed string, in characters.
	MaxLength *int `json:"maxLength,omitempty" jsonschema:"minimum=0"`
	// Regular expression (RE2) that a string must match.
	Pattern string `json:"pattern,omitempty"`
	// Format of a string.
	Format string `json:"format,omitempty" jsonschema:"enum=hostname,enum=ipv4,enum=ipv6,enum=uri,enum=email,enum=date,enum=date-time,enum=uuid"`
}

// LayerKind says which part of a cluster a layer provides.
type LayerKind string

// The layer kinds. Layers of kind os and kubernetes describe the infrastructure
// and may render to no objects.
const (
	LayerOS         LayerKind = "os"
	LayerKubernetes LayerKind = "kubernetes"
	LayerCNI        LayerKind = "cni"
	LayerCSI        LayerKind = "csi"
	LayerAddon      LayerKind = "addon"
)

// Layer is one pack with its values.
type Layer struct {
	// Name, unique among the layers of a cluster.
	Name string `json:"name" jsonschema:"minLength=1,maxLength=63,pattern=^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"`
	// What the layer provides (default: addon).
	Kind LayerKind `json:"kind,omitempty" jsonschema:"enum=os,enum=kubernetes,enum=cni,enum=csi,enum=addon"`
	// The pack to render.
	Pack PackRef `json:"pack"`
	// Layers that must be healthy before this one is applied. Default: the layer before this one. An empty list means none.
	DependsOn []string `json:"dependsOn,omitempty"`
	// Namespace of objects that name none (default: default).
	Namespace string `json:"namespace,omitempty" jsonschema:"maxLength=63,pattern=^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"`
	// Values over the pack's defaults. A string may hold CEL expressions: ${var.replicas}, ${cluster.name}.
	Values map[string]any `json:"values,omitempty"`
	// Kustomize patches over the rendered objects.
	Patches []Patch `json:"patches,omitempty"`
	// Rules of this layer.
	Policy Policy `json:"policy,omitempty"`
}

// PackRef names a pack by name and exact version.
type PackRef struct {
	// Name of the pack.
	Name string `json:"name" jsonschema:"minLength=1"`
	// Exact version of the pack.
	Version string `json:"version" jsonschema:"minLength=1"`
}

// Patch changes rendered objects before they are written.
type Patch struct {
	// Which objects; all empty: the object that the patch itself names.
	Target PatchTarget `json:"target,omitempty"`
	// A strategic merge patch, or a JSON patch (RFC 6902), as YAML text.
	Patch string `json:"patch" jsonschema:"minLength=1"`
}

// PatchTarget selects objects; fields that are set must all match. Group,
// version, kind, name and namespace are anchored regular expressions.
type PatchTarget struct {
	Group         string `json:"group,omitempty"`
	Version       string `json:"version,omitempty"`
	Kind          string `json:"kind,omitempty"`
	Name          string `json:"name,omitempty"`
	Namespace     string `json:"namespace,omitempty"`
	LabelSelector string `json:"labelSelector,omitempty"`
}
