// Package hub composes the folders into the management side: it serves tenant
// repositories over smart HTTP, refuses a push that does not render, publishes
// one desired branch per cluster, and converges the clusters' infrastructure.
//
// Everything that it knows stands in its data directory:
//
//	keys/renderer         the ed25519 key that signs desired state and infrastructure status
//	tenants/<name>.git    a bare repository per tenant
//	tokens.json           access tokens, hashed
//	local/                the clusters of cloud.type local
//
// A hub that is killed at any moment continues from there: each step compares
// what is published with what main says and does only what is missing.
package hub
