// Package local makes clusters of `cloud.type: local`: each is a real Kubernetes
// control plane (etcd, API server, controller manager, scheduler) as processes
// on this machine, with simulated nodes (kwok) and the cluster's agent beside
// it. It serves laptops, demonstrations and tests.
//
// What goes in is the desired infrastructure; what comes out is a running
// cluster, its admin kubeconfig, and what is observed of it. The Kubernetes
// version is that of the control-plane program: another minor version is
// refused, and nothing is changed then.
//
// Everything of a cluster lies in one directory, named after its tenant and UID:
//
//	DIR/clusters/TENANT/UID/   state.json, pki/, etcd/, logs/, *.kubeconfig, agent/
//	DIR/kubeconfigs/TENANT/CLUSTER.yaml   for people
//
// Servers listen on loopback only and ask for client certificates or tokens. On
// Linux no process outlives the one that made the Provider, however that ends;
// on other systems processes that were left behind are stopped by the next New.
package local
