// Package sync is Branchline's Git layer: objects, signed commits, packs, the
// wire protocol and the hub's Git endpoint.
//
// One repository holds one tenant. Each ref has one writer, and every move of a
// ref is a compare-and-swap:
//
//	refs/heads/main                     people; the source
//	refs/heads/desired/<cluster>        the renderer; all that one cluster must be
//	refs/heads/status/<cluster>/agent   that cluster's agent; orphan commits
//	refs/heads/status/<cluster>/infra   the hub or gateway that owns its machines
//
// In go files (path to content) with a message and a time. Repository.Publish
// and Remote.Push turn them into signed commits: the same files, parents, time
// and key always give the same object names. Out come snapshots: the files of
// one commit in memory, never a check-out.
//
// The package has three parts:
//
//   - Repository keeps a tenant's objects on the hub's disk, with the git
//     program as the storage engine.
//   - Remote reads and writes single branches over smart HTTP in pure Go, for
//     agents and the command line.
//   - Server is the hub's Git endpoint, with a view and rights for each
//     principal.
//
// Refused are: trees with symbolic links, submodules, "..", ".git" or names that
// differ in case alone; packs that exceed their limits, judged from the sizes
// they declare before anything is inflated; objects whose hash shows signs of a
// SHA-1 collision attack; commits with duplicate, unknown or misplaced headers;
// pushes to a ref that is not the pusher's.
//
// A ref that could not be read is never reported as missing: ErrRefNotFound is
// returned only when a complete, well-formed answer did not hold the ref.
package sync
