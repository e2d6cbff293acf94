package schemas

// Pack is pack.yaml: it describes the directory in which it stands, which holds
// values.yaml (optional), values.schema.json (optional) and at most one of
// chart/, kustomize/ and manifests/. A pack of kind os or kubernetes may have
// none of them: then it only states what the infrastructure is to be.
type Pack struct {
	TypeMeta `json:",inline"`
	Metadata Metadata `json:"metadata"`
	Spec     PackSpec `json:"spec"`
}

// PackSpec describes a pack.
type PackSpec struct {
	// Version of this pack; several versions of one name may live side by side.
	Version string `json:"version" jsonschema:"minLength=1,maxLength=128,pattern=^[0-9A-Za-z][-+.0-9A-Za-z_]*$"`
	// The kind of layer that it can be (default: addon).
	Kind LayerKind `json:"kind,omitempty" jsonschema:"enum=os,enum=kubernetes,enum=cni,enum=csi,enum=addon"`
	// What the pack is for, in a sentence.
	Description string `json:"description,omitempty"`
}
