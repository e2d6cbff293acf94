// Package gateway brings the infrastructure of a tenant's clusters to what
// their desired branches say, and reports how far it has come.
//
// In goes the tip of each branch refs/heads/desired/CLUSTER. Out go steps of
// the provider of the cluster's cloud, and an InfraStatus on the branch
// refs/heads/status/CLUSTER/infra, of which the gateway is the sole writer.
//
// Converge makes one step for one cluster. A Gateway makes them for all
// clusters, side by side, until it is stopped. It keeps no database: what it
// must remember stands in the statuses that it wrote.
//
// It refuses a desired commit that is not signed by a trusted key, is meant for
// another tenant or cluster, is older than one seen before, or replaces a
// cluster that no commit ended; then the provider is not called and the status
// says why. A branch that is missing or cannot be read never changes anything.
// A cluster is taken down only for a tombstone with its UID, and only when the
// grace period has passed.
package gateway
