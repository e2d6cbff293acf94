// Package agent makes one cluster what its desired branch says and keeps it so.
//
// In go the commits of refs/heads/desired/<cluster>, read from the tenant's
// repository over HTTP, and the watch events of the cluster's API server. Out
// come server-side applies and deletes in that cluster, and signed commits of
// an AgentStatus on refs/heads/status/<cluster>/agent.
//
// The agent refuses a commit that is not signed by a trusted key, that is for
// another tenant, cluster, incarnation (UID) or ref, that is older than the
// newest one it trusted, or whose files are not exactly those of the root
// manifest. It never takes "could not read" for "empty": whenever the branch
// is missing, unreadable or refused it keeps the last good state, goes on
// repairing it and reports why. It refuses objects that another cluster's
// agent owns, and it deletes only what its inventory lists, what carries its
// owner label and its UID, and no more at once than the deletion budget allows
// without a commit that approves it.
//
// All that it must remember lives in its namespace (schemas.AgentNamespace):
//
//	Secret    branchline-agent             repository, token, tenant, cluster, uid, trustedKeys, pollInterval
//	Secret    branchline-agent-identity    the key that signs its status, made at the first start
//	ConfigMap branchline-agent-state       newest trusted generation, trusted keys, sequence of the status
//	ConfigMap branchline-inventory-<layer> what it applied, written before it is applied
//
// It runs with the rights of Manifests and needs neither the git program nor a
// disk. The Deployment that runs it as a pod ships together with its image;
// until then it runs as a host process with the service account's token.
package agent
