package renderer

import (
	"slices"
	"strings"
)

// builtinAPI is one API version of Kubernetes 1.35 and its kinds
// (https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.35/).
type builtinAPI struct {
	version    string // group/version
	namespaced string // kinds, separated by spaces
	cluster    string
	off        bool // not served unless switched on
}

func builtinAPIs() []builtinAPI {
	return []builtinAPI{
		{version: "v1", namespaced: "Binding ConfigMap Endpoints Event LimitRange PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount", cluster: "ComponentStatus Namespace Node PersistentVolume"},
		{version: "admissionregistration.k8s.io/v1", cluster: "MutatingWebhookConfiguration ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration"},
		{version: "admissionregistration.k8s.io/v1beta1", cluster: "MutatingAdmissionPolicy MutatingAdmissionPolicyBinding", off: true},
		{version: "apiextensions.k8s.io/v1", cluster: "CustomResourceDefinition"},
		{version: "apiregistration.k8s.io/v1", cluster: "APIService"},
		{version: "apps/v1", namespaced: "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet"},
		{version: "authentication.k8s.io/v1", cluster: "SelfSubjectReview TokenReview"},
		{version: "authorization.k8s.io/v1", namespaced: "LocalSubjectAccessReview", cluster: "SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview"},
		{version: "autoscaling/v1", namespaced: "HorizontalPodAutoscaler"},
		{version: "autoscaling/v2", namespaced: "HorizontalPodAutoscaler"},
		{version: "batch/v1", namespaced: "CronJob Job"},
		{version: "certificates.k8s.io/v1", cluster: "CertificateSigningRequest"},
		{version: "certificates.k8s.io/v1beta1", cluster: "ClusterTrustBundle", off: true},
		{version: "coordination.k8s.io/v1", namespaced: "Lease"},
		{version: "discovery.k8s.io/v1", namespaced: "EndpointSlice"},
		{version: "events.k8s.io/v1", namespaced: "Event"},
		{version: "flowcontrol.apiserver.k8s.io/v1", cluster: "FlowSchema PriorityLevelConfiguration"},
		{version: "networking.k8s.io/v1", namespaced: "Ingress NetworkPolicy", cluster: "IPAddress IngressClass ServiceCIDR"},
		{version: "node.k8s.io/v1", cluster: "RuntimeClass"},
		{version: "policy/v1", namespaced: "PodDisruptionBudget"},
		{version: "rbac.authorization.k8s.io/v1", namespaced: "Role RoleBinding", cluster: "ClusterRole ClusterRoleBinding"},
		{version: "resource.k8s.io/v1", namespaced: "ResourceClaim ResourceClaimTemplate", cluster: "DeviceClass ResourceSlice"},
		{version: "scheduling.k8s.io/v1", cluster: "PriorityClass"},
		{version: "storage.k8s.io/v1", namespaced: "CSIStorageCapacity", cluster: "CSIDriver CSINode StorageClass VolumeAttachment VolumeAttributesClass"},
		{version: "storagemigration.k8s.io/v1beta1", cluster: "StorageVersionMigration", off: true},
	}
}

// servedAPIs is what charts find in .Capabilities.APIVersions: group/version
// and group/version/Kind of everything that Kubernetes 1.35 serves by default.
func servedAPIs() []string {
	var served []string
	for _, api := range builtinAPIs() {
		if api.off {
			continue
		}
		served = append(served, api.version)
		for _, kind := range strings.Fields(api.namespaced + " " + api.cluster) {
			served = append(served, api.version+"/"+kind)
		}
	}
	slices.Sort(served)
	return served
}

// scopeTable knows which kinds live in a namespace, by group/Kind.
type scopeTable map[string]bool

// newScopeTable knows the kinds of Kubernetes itself and of the
// CustomResourceDefinitions among objects.
func newScopeTable(objects []*object) scopeTable {
	table := scopeTable{}
	for _, api := range builtinAPIs() {
		group := groupOf(api.version)
		for _, kind := range strings.Fields(api.namespaced) {
			table[group+"/"+kind] = true
		}
		for _, kind := range strings.Fields(api.cluster) {
			table[group+"/"+kind] = false
		}
	}
	for _, o := range objects {
		if o.group() != "apiextensions.k8s.io" || o.kind() != "CustomResourceDefinition" {
			continue
		}
		spec, _ := o.fields["spec"].(map[string]any)
		names, _ := spec["names"].(map[string]any)
		group, _ := spec["group"].(string)
		kind, _ := names["kind"].(string)
		table[group+"/"+kind] = spec["scope"] == "Namespaced"
	}
	return table
}

func groupOf(apiVersion string) string {
	group, _, found := strings.Cut(apiVersion, "/")
	if !found {
		return ""
	}
	return group
}
