package renderer

import (
	"slices"

	"github.com/google/uuid"

	"branchline.dev/branchline/schemas"
)

// clusterNamespace is the UUID namespace (RFC 9562, version 5) of cluster UIDs.
// It must never change.
func clusterNamespace() uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceDNS, []byte("clusters.branchline.dev"))
}

// clusterUID is the UID that the cluster has already, or for a new one, and one
// that comes back after it ended, a UID that its name and the commit that brings
// it decide.
func clusterUID(in Input, tenant, name string) string {
	previous, existed := in.Previous[name]
	if existed && previous.Spec.Tombstone == nil && previous.Spec.UID != "" {
		return previous.Spec.UID
	}
	return uuid.NewSHA1(clusterNamespace(), []byte(tenant+"\x00"+name+"\x00"+in.Commit.ID)).String()
}

// infrastructure resolves what the cluster's provider needs.
func (r *renderedCluster) infrastructure(repo *schemas.Repository, uid string) schemas.DesiredInfrastructure {
	cloud := r.doc.Object.Spec.Cloud
	spec := schemas.DesiredInfrastructureSpec{
		Tenant:    repo.Tenant.Object.Metadata.Name,
		UID:       uid,
		Cloud:     schemas.ResolvedCloud{Type: cloud.Type, Account: cloud.Account, Config: cloud.Config},
		NodePools: slices.Clone(r.doc.Object.Spec.NodePools),
	}
	if account := repo.Account(cloud.Account); cloud.Account != "" && account != nil {
		spec.Cloud.AccountConfig = account.Object.Spec.Config
	}
	for i := range spec.NodePools {
		if spec.NodePools[i].Role == "" {
			spec.NodePools[i].Role = "worker"
		}
	}
	if spec.NodePools == nil {
		spec.NodePools = []schemas.NodePool{}
	}
	for _, l := range r.layers {
		switch l.Kind {
		case schemas.LayerOS:
			spec.OS = l.infraPack()
		case schemas.LayerKubernetes:
			spec.Kubernetes = l.infraPack()
		}
	}
	return schemas.DesiredInfrastructure{
		TypeMeta: schemas.TypeMeta{APIVersion: schemas.APIVersion, Kind: schemas.KindDesiredInfrastructure},
		Metadata: schemas.Metadata{Name: r.name},
		Spec:     spec,
	}
}

func (l *layer) infraPack() *schemas.InfraPack {
	return &schemas.InfraPack{Pack: l.Pack.Name, Version: l.Pack.Version, Values: withoutNulls(l.values)}
}
