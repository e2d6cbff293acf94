// Package version holds the release version, which the programs of one release
// share. It takes nothing in and refuses nothing.
package version

// Version is the release, as semver.org writes it, without a leading v. It is an
// input of every render and stands in the status of agents.
const Version = "0.1.0"
