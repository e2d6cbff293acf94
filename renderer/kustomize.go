package renderer

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"branchline.dev/branchline/schemas"
)

// kustomizeTurn is held while kustomize works: its OpenAPI schema is one for the
// whole process and not safe for concurrent use.
var kustomizeTurn = make(chan struct{}, 1)

// inTurn runs kustomize on its own, guarded.
func inTurn[T any](ctx context.Context, run func() (T, error)) (T, error) {
	select {
	case kustomizeTurn <- struct{}{}:
	case <-ctx.Done():
		var none T
		return none, fmt.Errorf("not done in time: %w", ctx.Err())
	}
	return guarded(ctx, func() (T, error) {
		defer func() { <-kustomizeTurn }()
		return run()
	})
}

// kustomizeRoot is where the pack's folder stands in the file system in memory.
const kustomizeRoot = "/pack"

// renderKustomize builds the kustomization and computes the expressions in what
// it gives.
func renderKustomize(ctx context.Context, l *layer) ([]*object, schemas.Problems) {
	p := l.pack
	built, err := inTurn(ctx, func() (resmap.ResMap, error) {
		files := filesys.MakeFsInMemory()
		for _, name := range slices.Sorted(maps.Keys(p.files)) {
			if err := files.WriteFile(path.Join(kustomizeRoot, name), p.files[name]); err != nil {
				return nil, err
			}
		}
		return krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(files, kustomizeRoot)
	})
	if err != nil {
		return nil, schemas.Problems{{Position: p.at(p.kustomizationIn(""), 0, 0), Message: "kustomize: " + kustomizeMessage(err)}}
	}
	built.RemoveBuildAnnotations()
	objects, problems := objectsOf(built, p.at(p.kustomizationIn(""), 0, 0))
	if len(problems) > 0 {
		return nil, problems
	}
	return p.computeKustomized(ctx, objects, l.packVariables())
}

func kustomizeMessage(err error) string {
	message := strings.ReplaceAll(err.Error(), kustomizeRoot+"/", "")
	message = strings.ReplaceAll(message, kustomizeRoot, "kustomize/")
	return brief(strings.Join(strings.Fields(message), " "), 500)
}

// objectsOf reads the objects out of kustomize's form.
func objectsOf(built resmap.ResMap, from schemas.Position) ([]*object, schemas.Problems) {
	var objects []*object
	size := 0
	for _, resource := range built.Resources() {
		data, err := resource.AsYAML()
		if err != nil {
			return nil, schemas.Problems{{Position: from, Message: fmt.Sprintf("kustomize: %s cannot be written: %v", resource.CurId(), err)}}
		}
		if size += len(data); size > maxLayerBytes {
			return nil, schemas.Problems{{Position: from, Message: fmt.Sprintf("the result is more than %d bytes", maxLayerBytes)}}
		}
		o := &object{from: from}
		if err := decodeYAML(data, &o.fields); err != nil {
			return nil, schemas.Problems{{Position: from, Message: fmt.Sprintf("kustomize: %s cannot be read: %v", resource.CurId(), err)}}
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// computeKustomized computes the expressions in kustomize's result. The places
// of its scalars are lost, so messages name the object and the field.
func (p *pack) computeKustomized(ctx context.Context, objects []*object, variables map[string]any) ([]*object, schemas.Problems) {
	scope, err := newPackScope()
	if err != nil {
		return nil, schemas.Problems{{Position: p.at("", 0, 0), Message: err.Error()}}
	}
	var problems schemas.Problems
	for _, o := range objects {
		title, isText := o.title(), textFields(o.fields)
		computed := mapStrings(o.fields, nil, func(field []any, text string) any {
			value, err := scope.evalText(ctx, text, isText(field), variables)
			if err != nil {
				problems = append(problems, schemas.Problem{Position: o.from, Message: fmt.Sprintf("%s, %s: %v", title, schemas.FormatPath(field), err)})
			}
			return value
		})
		o.fields, _ = computed.(map[string]any)
	}
	return objects, problems
}

// mapStrings copies a value with every string replaced.
func mapStrings(value any, path []any, replace func(path []any, text string) any) any {
	switch v := value.(type) {
	case string:
		return replace(path, v)
	case map[string]any:
		result := make(map[string]any, len(v))
		for key, item := range v {
			result[key] = mapStrings(item, extend(path, key), replace)
		}
		return result
	case []any:
		result := make([]any, len(v))
		for i, item := range v {
			result[i] = mapStrings(item, extend(path, i), replace)
		}
		return result
	}
	return value
}

// newResourceMap puts objects into kustomize's form.
func newResourceMap(objects []*object) (resmap.ResMap, error) {
	factory := provider.NewDefaultDepProvider().GetResourceFactory()
	resources := resmap.New()
	for _, o := range objects {
		resource, err := factory.FromMap(o.fields)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.title(), err)
		}
		if err := resources.Append(resource); err != nil {
			return nil, fmt.Errorf("%s: %w", o.title(), err)
		}
	}
	return resources, nil
}
