package schemas

// Tenant is the one document of tenant.yaml at the root of a repository.
type Tenant struct {
	TypeMeta `json:",inline"`
	Metadata Metadata   `json:"metadata"`
	Spec     TenantSpec `json:"spec,omitempty"`
}

// TenantSpec holds what applies to every cluster of a tenant.
type TenantSpec struct {
	// Public keys (authorized_keys format, ed25519) of the renderers whose commits agents accept. Default: the key of the hub that renders.
	TrustedKeys []string `json:"trustedKeys,omitempty"`
	// Policy of every cluster that does not set its own.
	Policy Policy `json:"policy,omitempty"`
}
