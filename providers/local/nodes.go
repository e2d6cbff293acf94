package local

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"branchline.dev/branchline/schemas"
)

const (
	// poolLabel marks the nodes that this provider made; it leaves others alone.
	poolLabel = "branchline.dev/pool"
	// managedAnnotation lists the labels and taints that were set last, so that
	// those dropped from the pool can be told from those that others set.
	managedAnnotation = "local.branchline.dev/managed"
)

// The size of a node whose pool gives none.
const (
	defaultCPU       = 4
	defaultMemoryMiB = 8192
	defaultDiskGiB   = 40
	podsPerNode      = 110
	zones            = 3
)

// managed is the content of managedAnnotation.
type managed struct {
	Labels []string `json:"labels"`
	Taints []string `json:"taints"` // key:effect
}

// wantedNodes are the nodes of all pools: cluster-pool-1, cluster-pool-2, …
func wantedNodes(cluster string, pools []schemas.NodePool, version string) []corev1.Node {
	var nodes []corev1.Node
	for _, pool := range pools {
		for n := 1; n <= pool.Count; n++ {
			nodes = append(nodes, wantedNode(cluster, pool, n, version))
		}
	}
	return nodes
}

func wantedNode(cluster string, pool schemas.NodePool, n int, version string) corev1.Node {
	name := fmt.Sprintf("%s-%s-%d", cluster, pool.Name, n)
	labels := maps.Clone(pool.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, map[string]string{
		poolLabel: pool.Name,
		"node-role.kubernetes.io/" + cmp.Or(pool.Role, "worker"): "",
		corev1.LabelHostname:           hostnameLabel(name),
		corev1.LabelOSStable:           "linux",
		corev1.LabelArchStable:         runtime.GOARCH,
		corev1.LabelInstanceTypeStable: "local",
		corev1.LabelTopologyRegion:     "local",
		corev1.LabelTopologyZone:       "local-" + strconv.Itoa((n-1)%zones+1),
	})
	taints := make([]corev1.Taint, len(pool.Taints))
	for i, t := range pool.Taints {
		taints[i] = corev1.Taint{Key: t.Key, Value: t.Value, Effect: corev1.TaintEffect(t.Effect)}
	}
	capacity := capacity(pool.Machine)
	return corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Labels:      labels,
			Annotations: map[string]string{managedAnnotation: managedBy(labels, taints)},
		},
		Spec: corev1.NodeSpec{ProviderID: "local://" + name, Taints: taints},
		Status: corev1.NodeStatus{
			Capacity: capacity, Allocatable: capacity,
			NodeInfo: corev1.NodeSystemInfo{
				KubeletVersion: version, OperatingSystem: "linux",
				Architecture: runtime.GOARCH, OSImage: "simulated",
			},
		},
	}
}

func capacity(m schemas.Machine) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse(strconv.Itoa(cmp.Or(m.CPU, defaultCPU))),
		corev1.ResourceMemory:           resource.MustParse(strconv.Itoa(cmp.Or(m.MemoryMiB, defaultMemoryMiB)) + "Mi"),
		corev1.ResourceEphemeralStorage: resource.MustParse(strconv.Itoa(cmp.Or(m.DiskGiB, defaultDiskGiB)) + "Gi"),
		corev1.ResourcePods:             resource.MustParse(strconv.Itoa(podsPerNode)),
	}
}

// hostnameLabel shortens a name to what a label's value may be.
func hostnameLabel(name string) string {
	if len(name) <= 63 {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:54] + "-" + hex.EncodeToString(sum[:4])
}

func managedBy(labels map[string]string, taints []corev1.Taint) string {
	m := managed{Labels: slices.Sorted(maps.Keys(labels)), Taints: []string{}}
	for _, t := range taints {
		m.Taints = append(m.Taints, taintID(t))
	}
	slices.Sort(m.Taints)
	data, _ := json.Marshal(m) // strings only: cannot fail
	return string(data)
}

func taintID(t corev1.Taint) string { return t.Key + ":" + string(t.Effect) }

// nodeStatuses reports the nodes that this provider made, by name.
func nodeStatuses(live []corev1.Node) []schemas.NodeStatus {
	var statuses []schemas.NodeStatus
	for _, n := range live {
		pool, ours := n.Labels[poolLabel]
		if !ours {
			continue
		}
		statuses = append(statuses, schemas.NodeStatus{Name: n.Name, Pool: pool, Phase: nodePhase(n)})
	}
	slices.SortFunc(statuses, func(a, b schemas.NodeStatus) int {
		return cmp.Or(cmp.Compare(a.Pool, b.Pool), cmp.Compare(number(a.Name), number(b.Name)))
	})
	return statuses
}

// The phases of a node.
const (
	nodePending  = "Pending" // made, not heard of yet
	nodeReady    = "Ready"
	nodeNotReady = "NotReady"
	nodeDeleting = "Deleting"
)

func nodePhase(n corev1.Node) string {
	if n.DeletionTimestamp != nil {
		return nodeDeleting
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			if c.Status == corev1.ConditionTrue {
				return nodeReady
			}
			return nodeNotReady
		}
	}
	return nodePending
}
