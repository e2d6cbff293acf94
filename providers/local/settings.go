package local

import "branchline.dev/branchline/schemas"

// clusterSettings is the JSON Schema of what stands under `local:` in a Cluster:
// nothing yet. An empty mapping is accepted, so that the key can be written.
const clusterSettings = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "Settings of a local cluster",
  "description": "A local cluster has no settings: its nodes come from nodePools, its version from the kubernetes layer.",
  "type": "object",
  "additionalProperties": false
}
`

// Schemas are the JSON Schemas of the settings of type local. A CloudAccount
// takes none: this machine needs no account.
func Schemas() schemas.CloudSchemas {
	return schemas.CloudSchemas{Cluster: []byte(clusterSettings)}
}
