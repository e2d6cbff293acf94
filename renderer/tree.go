package renderer

import (
	"fmt"
	"path"
	"slices"
	"strconv"

	"branchline.dev/branchline/schemas"
)

// buildTrees writes the files of every cluster.
func buildTrees(repo *schemas.Repository, rendered []*renderedCluster, in Input) ([]ClusterTree, schemas.Problems) {
	var problems schemas.Problems
	trees := make([]ClusterTree, 0, len(rendered))
	for _, r := range rendered {
		tree, err := r.tree(repo, in)
		if err != nil {
			problems = append(problems, r.doc.YAML.Problem(nil, "the desired state of the cluster cannot be written: %v", err))
			continue
		}
		trees = append(trees, tree)
	}
	return trees, problems
}

func sortTrees(trees []ClusterTree) []ClusterTree {
	slices.SortFunc(trees, func(a, b ClusterTree) int { return compareStrings(a.Name, b.Name) })
	return trees
}

// tree writes the files of one cluster: layers, infrastructure, and the root
// manifest that holds their digests.
func (r *renderedCluster) tree(repo *schemas.Repository, in Input) (ClusterTree, error) {
	tenant := &repo.Tenant.Object
	previous, existed := in.Previous[r.name]
	spec := schemas.DesiredClusterSpec{
		Tenant:             tenant.Metadata.Name,
		UID:                clusterUID(in, tenant.Metadata.Name, r.name),
		TrustedKeys:        trustedKeys(tenant, in),
		Approvals:          r.doc.Object.Spec.Approvals,
		DeletionProtection: r.doc.Object.Spec.Protected(),
	}
	files := map[string][]byte{}
	layers, err := r.writeLayers(files)
	if err != nil {
		return ClusterTree{}, err
	}
	spec.Layers = layers
	for _, l := range layers {
		spec.Objects += l.Objects
	}
	infrastructure, err := schemas.Marshal(r.infrastructure(repo, spec.UID))
	if err != nil {
		return ClusterTree{}, fmt.Errorf("write %s: %w", schemas.DesiredInfrastructureFile, err)
	}
	files[schemas.DesiredInfrastructureFile] = infrastructure
	spec.Infrastructure = schemas.DigestOf(infrastructure)
	return seal(r.name, spec, files, previous, existed, in)
}

// seal completes a root manifest and writes it. A manifest that says what the
// previous one said is that one, byte for byte.
func seal(name string, spec schemas.DesiredClusterSpec, files map[string][]byte, previous schemas.DesiredCluster, existed bool, in Input) (ClusterTree, error) {
	spec.Digest = spec.ComputeDigest()
	tree := ClusterTree{Name: name, Manifest: previous, Files: files}
	if !existed || previous.Spec.Digest != spec.Digest {
		spec.Generation = max(previous.Spec.Generation+1, in.Commit.Ancestors)
		spec.Source = schemas.SourceRef{Commit: in.Commit.ID}
		spec.Renderer = in.Version
		tree.Changed = true
		tree.Manifest = schemas.DesiredCluster{
			TypeMeta: schemas.TypeMeta{APIVersion: schemas.APIVersion, Kind: schemas.KindDesiredCluster},
			Metadata: schemas.Metadata{Name: name},
			Spec:     spec,
		}
	}
	root, err := schemas.Marshal(tree.Manifest)
	if err != nil {
		return ClusterTree{}, fmt.Errorf("write %s: %w", schemas.DesiredClusterFile, err)
	}
	files[schemas.DesiredClusterFile] = root
	return tree, nil
}

// writeLayers adds the files of all layers that have objects to files and
// describes them. A layer without objects has no folder: those that wait for it
// wait for what it waits for.
func (r *renderedCluster) writeLayers(files map[string][]byte) ([]schemas.DesiredLayer, error) {
	layers := []schemas.DesiredLayer{}
	width := max(2, len(strconv.Itoa(10*len(r.layers))))
	for i, l := range r.layers {
		if len(r.objects[i]) == 0 {
			continue
		}
		content, first, err := layerFiles(r.objects[i])
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", l.Name, err)
		}
		// Steps of ten as in line numbers, so that lists read in order.
		folder := path.Join(schemas.LayersDir, fmt.Sprintf("%0*d-%s", width, 10*(i+1), l.Name))
		for name, data := range content {
			files[path.Join(folder, name)] = data
		}
		layers = append(layers, schemas.DesiredLayer{
			Name:      l.Name,
			Kind:      l.Kind,
			Path:      folder,
			Profile:   l.profile.id,
			Pack:      l.pack.id,
			DependsOn: r.effectiveDependencies(l),
			Namespace: l.targetNamespace(),
			Objects:   len(content),
			Digest:    schemas.LayerDigest(content),
			First:     first,
			Policy:    l.policy,
		})
	}
	return layers, nil
}

// layerFiles names each object of a layer and lists the files that must be
// applied before the others.
func layerFiles(objects []*object) (files map[string][]byte, first []string, err error) {
	files = make(map[string][]byte, len(objects))
	names := fileNames(objects)
	for i, o := range objects {
		if _, taken := files[names[i]]; taken {
			return nil, nil, fmt.Errorf("two objects would be the file %s; rename one", names[i])
		}
		files[names[i]] = o.data
		if isDefinition(o) {
			first = append(first, names[i])
		}
	}
	slices.Sort(first)
	return files, first, nil
}

// isDefinition says whether other objects can be refused while this one is
// missing.
func isDefinition(o *object) bool {
	return o.group() == "" && o.kind() == "Namespace" ||
		o.group() == "apiextensions.k8s.io" && o.kind() == "CustomResourceDefinition"
}

// effectiveDependencies are the layers with objects that a layer waits for, in
// the order of layers.
func (r *renderedCluster) effectiveDependencies(l *layer) []string {
	needed := map[string]bool{}
	var visit func(names []string)
	visit = func(names []string) {
		for i, other := range r.layers {
			if !slices.Contains(names, other.Name) || needed[other.Name] {
				continue
			}
			if len(r.objects[i]) == 0 {
				visit(other.dependsOn)
				continue
			}
			needed[other.Name] = true
		}
	}
	visit(l.dependsOn)
	result := []string{}
	for _, other := range r.layers {
		if needed[other.Name] {
			result = append(result, other.Name)
		}
	}
	return result
}
