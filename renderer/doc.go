// Package renderer turns the source of a tenant into what each of its clusters
// must be.
//
// In goes a repository at one commit (an fs.FS), the root manifests that the
// desired branches hold now, and the settings schemas of the known clouds. Out
// comes, for each cluster, the whole tree of its desired branch as file names
// and bytes: cluster.yaml, infrastructure.yaml and one file an object below
// layers/.
//
// Rendering is a pure function. It has no clock, network, environment, host
// file or map order: the same input gives the same bytes, on any machine. What
// would break that is refused with the file and line that asks for it: template
// functions that read the clock, randomness or a live cluster, remote bases and
// plugins of kustomize, references of JSON Schemas to other documents. Files,
// outputs, object counts and the cost of expressions are bounded.
//
// All that is wrong is reported at once as schemas.Problems, each with its
// place in the source. With any problem there is no output at all.
//
// # Values
//
// A layer's values are the pack's values.yaml, under the layer's values in the
// profile, under the cluster's override of the layer: mappings merge, lists and
// scalars replace, null removes a key. Strings in profile and cluster may hold
// CEL expressions: ${var.NAME}, ${cluster.name}, ${cluster.labels.env},
// ${cluster.cloud}, ${cluster.account}, ${cluster.kubernetesVersion},
// ${tenant.name}. A string that is one expression takes its type, any other is
// text. $${ stands for a literal ${. Expressions of a profile are type-checked
// against the declared variables, whether or not a cluster uses the profile.
//
// # Packs
//
// chart/ is a Helm chart; the layer's name is the release's, and the values go
// over chart/values.yaml. kustomize/ is built in memory, manifests/ is read as
// it is; in both, scalars may hold expressions over the pack's values, such as
// ${values.replicas}, and over cluster and tenant. They are computed in what
// kustomize gives: the hash in the name of a generated ConfigMap covers the
// expression, not its value. There are no text templates over YAML.
package renderer
