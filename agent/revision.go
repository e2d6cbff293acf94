package agent

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"branchline.dev/branchline/schemas"
)

// revision is one desired commit that passed every check, ready to be applied.
type revision struct {
	Commit string
	Key    string // that signed it
	Spec   schemas.DesiredClusterSpec
	Layers []desiredLayer // in apply order
}

// desiredLayer is one layer with its objects in the order of their files.
type desiredLayer struct {
	schemas.DesiredLayer
	Objects []desiredObject
}

func (r *revision) name() schemas.DesiredRevision {
	if r == nil {
		return schemas.DesiredRevision{}
	}
	return schemas.DesiredRevision{Commit: r.Commit, Generation: r.Spec.Generation, Source: r.Spec.Source.Commit}
}

// readLayers checks every layer of the manifest against the files of the
// branch and parses every object. Any difference refuses the whole commit.
func readLayers(owner string, spec schemas.DesiredClusterSpec, files map[string][]byte) ([]desiredLayer, error) {
	byFolder, err := layerFolders(files)
	if err != nil {
		return nil, err
	}
	layers := make([]desiredLayer, 0, len(spec.Layers))
	seen := map[objectID]string{}
	total := 0
	for _, manifest := range spec.Layers {
		layer, err := readLayer(owner, manifest, byFolder[manifest.Path], seen)
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", manifest.Name, err)
		}
		delete(byFolder, manifest.Path)
		layers = append(layers, layer)
		total += len(layer.Objects)
	}
	for folder := range byFolder {
		return nil, fmt.Errorf("folder %s belongs to no layer of the root manifest", folder)
	}
	if total != spec.Objects {
		return nil, fmt.Errorf("found %d objects where the root manifest counts %d", total, spec.Objects)
	}
	return layers, nil
}

// layerFolders groups layers/<folder>/<file> and refuses every other file.
func layerFolders(files map[string][]byte) (map[string]map[string][]byte, error) {
	folders := map[string]map[string][]byte{}
	for name, content := range files {
		if name == schemas.DesiredClusterFile || name == schemas.DesiredInfrastructureFile {
			continue
		}
		folder, file := path.Split(name)
		folder = strings.TrimSuffix(folder, "/")
		if path.Dir(folder) != schemas.LayersDir || path.Clean(name) != name {
			return nil, fmt.Errorf("file %s has no place in a desired branch", name)
		}
		if folders[folder] == nil {
			folders[folder] = map[string][]byte{}
		}
		folders[folder][file] = content
	}
	return folders, nil
}

func readLayer(owner string, manifest schemas.DesiredLayer, files map[string][]byte, seen map[objectID]string) (desiredLayer, error) {
	layer := desiredLayer{DesiredLayer: manifest}
	if len(files) != manifest.Objects {
		return layer, fmt.Errorf("found %d objects where the root manifest counts %d", len(files), manifest.Objects)
	}
	if digest := schemas.LayerDigest(files); digest != manifest.Digest {
		return layer, fmt.Errorf("files have digest %s where the root manifest says %s", digest, manifest.Digest)
	}
	for _, first := range manifest.First {
		if _, exists := files[first]; !exists {
			return layer, fmt.Errorf("first file %s does not exist", first)
		}
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		object, err := readDesired(owner, manifest, name, files[name])
		if err != nil {
			return layer, fmt.Errorf("object %s: %w", name, err)
		}
		if other, twice := seen[object.provisionalID(manifest)]; twice {
			return layer, fmt.Errorf("object %s: layer %s holds the same object", name, other)
		}
		seen[object.provisionalID(manifest)] = manifest.Name
		layer.Objects = append(layer.Objects, object)
	}
	return layer, nil
}

func readDesired(owner string, manifest schemas.DesiredLayer, file string, content []byte) (desiredObject, error) {
	gvk, parsed, err := readObject(content)
	if err != nil {
		return desiredObject{}, err
	}
	return desiredObject{
		GVK: gvk, Namespace: parsed.GetNamespace(), Name: parsed.GetName(),
		Layer: manifest.Name, File: file, First: slices.Contains(manifest.First, file),
		Hash: hashObject(owner, manifest.Name, manifest.Namespace, content), Content: content,
	}, nil
}

// provisionalID takes an object without namespace for a namespaced one, since
// the scope of its kind is unknown here. Cluster-scoped objects that are held
// twice all the same are found when they are resolved.
func (o desiredObject) provisionalID(manifest schemas.DesiredLayer) objectID {
	namespace := o.Namespace
	if namespace == "" {
		namespace = manifest.Namespace
	}
	return objectID{o.GVK.Group, o.GVK.Kind, namespace, o.Name}
}
