package renderer

// The bounds of one rendering: far above what real fleets need, low enough that
// no input can exhaust the machine.
const (
	maxPackFiles    = 5_000
	maxPackBytes    = 32 << 20 // all files of a pack
	maxPackFile     = 4 << 20
	maxLayerBytes   = 32 << 20 // output of one layer
	maxObjects      = 10_000   // of one cluster
	maxClusterBytes = 128 << 20
	maxTemplateList = 10_000  // entries that one call of until, untilStep or seq may make
	maxTemplateText = 1 << 20 // bytes that one call of repeat, indent or nindent may make

	maxExpressionBytes = 4 << 10
	maxExpressionCost  = 100_000
	maxExpressionText  = 1 << 20 // result of one scalar

	// defaultKubernetesVersion is what charts see in .Capabilities when a cluster
	// has no layer of kind kubernetes.
	defaultKubernetesVersion = "1.35.0"
)
