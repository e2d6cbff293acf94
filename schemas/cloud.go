package schemas

// CloudAccount says how to reach a cloud. It never holds a secret.
type CloudAccount struct {
	TypeMeta `json:",inline"`
	Metadata Metadata `json:"metadata"`
	Spec     Cloud    `json:"spec"`
}

// Cloud is a type of cloud and the settings of that type. In YAML the settings
// stand under a key named like the type, and only under that:
//
//	cloud:
//	  type: local
//	  account: laptop
//	  local: {…}
//
// The settings are opaque here: the provider of that type publishes their
// schema.
type Cloud struct {
	// Type of cloud.
	Type string `json:"type"`
	// Name of the CloudAccount to use, if the type needs one.
	Account string `json:"account,omitempty"`
	// Settings of the type.
	Config map[string]any `json:"-"`
}

// CloudSchemas are the JSON Schemas (draft 2020-12) of one type of cloud: of
// the settings in a Cluster and of those in a CloudAccount. A nil schema means
// that no settings are accepted there.
type CloudSchemas struct {
	Cluster []byte
	Account []byte
}
