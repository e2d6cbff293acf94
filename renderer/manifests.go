package renderer

import (
	"context"
	"maps"
	"path"
	"slices"

	"branchline.dev/branchline/schemas"
)

// manifest is one document of a pack of plain manifests, with its expressions
// compiled.
type manifest struct {
	yaml  *schemas.YAML
	value any
}

// parseManifests reads the documents of all YAML files of the folder, in the
// order of paths.
func parseManifests(p *pack) ([]*manifest, schemas.Problems) {
	scope, err := newPackScope()
	if err != nil {
		return nil, wholeFile(p.at("", 0, 0).File, "%v", err)
	}
	var manifests []*manifest
	var problems schemas.Problems
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		if ext := path.Ext(name); ext != ".yaml" && ext != ".yml" {
			continue
		}
		docs, found := schemas.ParseYAML(p.at(name, 0, 0).File, p.files[name])
		problems = append(problems, found...)
		for _, doc := range docs {
			if _, ok := doc.Value().(map[string]any); !ok {
				problems = append(problems, doc.Problem(nil, "is not a Kubernetes object: expected a mapping"))
				continue
			}
			value, found := compileValues(scope, doc, nil, doc.Value(), textFields(doc.Value()))
			problems = append(problems, found...)
			manifests = append(manifests, &manifest{yaml: doc, value: value})
		}
	}
	if len(manifests) == 0 && len(problems) == 0 {
		problems = wholeFile(p.at("", 0, 0).File, "holds no object; add a .yaml file with one")
	}
	return manifests, problems
}

// renderManifests computes the expressions of a pack of plain manifests.
func renderManifests(ctx context.Context, l *layer) ([]*object, schemas.Problems) {
	variables := l.packVariables()
	var objects []*object
	var problems schemas.Problems
	for _, m := range l.pack.manifests {
		value, found := evalValues(ctx, m.yaml, nil, m.value, variables)
		problems = append(problems, found...)
		if fields, ok := value.(map[string]any); ok {
			objects = append(objects, &object{fields: fields, from: m.yaml.Position()})
		}
	}
	return objects, problems
}

// packVariables are what expressions in a pack see.
func (l *layer) packVariables() map[string]any {
	variables := maps.Clone(l.context)
	variables["values"] = withoutNulls(l.values)
	return variables
}

// textFields says which scalars of an object must be text, so that ${values.port}
// is right in a ConfigMap although the value is a number.
func textFields(value any) func(path []any) bool {
	fields, _ := value.(map[string]any)
	kind := (&object{fields: fields}).kind()
	return func(path []any) bool {
		if len(path) == 2 && (kind == "ConfigMap" && path[0] == "data" || kind == "Secret" && path[0] == "stringData") {
			return true
		}
		at := len(path) - 3
		return at >= 0 && path[at] == "metadata" && (path[at+1] == "labels" || path[at+1] == "annotations")
	}
}
