package main

import (
	"fmt"

	"branchline.dev/branchline/schemas"
)

const revisionKey = "revision"

// objectName and objectText are the ConfigMaps that are applied: 1.5 kB each.
func objectName(i int) string { return fmt.Sprintf("app-%04d", i) }

func objectText(i int, revision string) ([]byte, error) {
	return schemas.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": objectName(i)},
		"data": map[string]any{revisionKey: revision, "payload": fileText(objectName(i), 1400)},
	})
}

// desiredState is the desired branch of a cluster with one layer.
type desiredState struct {
	cluster, uid, namespace, key string
	generation                   int64
	revisions                    []string // of the objects, by number
}

func (d desiredState) files() (map[string][]byte, error) {
	path := schemas.LayersDir + "/10-app"
	files, layer := map[string][]byte{}, map[string][]byte{}
	for i, revision := range d.revisions {
		text, err := objectText(i, revision)
		if err != nil {
			return nil, err
		}
		name := "configmap.." + objectName(i) + ".yaml"
		layer[name], files[path+"/"+name] = text, text
	}
	manifest := schemas.DesiredCluster{
		TypeMeta: schemas.TypeMeta{APIVersion: schemas.APIVersion, Kind: schemas.KindDesiredCluster},
		Metadata: schemas.Metadata{Name: d.cluster},
		Spec: schemas.DesiredClusterSpec{
			Tenant: tenant, UID: d.uid, Generation: d.generation, Renderer: "bench", Objects: len(layer), TrustedKeys: []string{d.key},
			Source: schemas.SourceRef{Commit: fmt.Sprintf("%040d", d.generation)},
			Layers: []schemas.DesiredLayer{{
				Name: "app", Kind: schemas.LayerAddon, Path: path, Profile: "app@1.0.0", Pack: "app@1.0.0", DependsOn: []string{},
				Namespace: d.namespace, Objects: len(layer), Digest: schemas.LayerDigest(layer), Policy: schemas.Policy{Drift: schemas.DriftHeal},
			}},
		},
	}
	manifest.Spec.Digest = manifest.Spec.ComputeDigest()
	encoded, err := schemas.Marshal(manifest)
	files[schemas.DesiredClusterFile] = encoded
	return files, err
}

func sameRevision(count int, revision string) []string {
	revisions := make([]string, count)
	for i := range revisions {
		revisions[i] = revision
	}
	return revisions
}
