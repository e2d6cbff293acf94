package renderer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/filters/patchjson6902"
	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"

	"branchline.dev/branchline/schemas"
)

// step is one patch with the objects that it applies to.
type step struct {
	path   []any // of the patch in the layer
	text   string
	target types.Selector
	json   bool // a JSON patch (RFC 6902), else a strategic merge patch
}

// checkPatches reports the patches of a layer that cannot be read.
func checkPatches(doc *schemas.YAML, l *profileLayer) schemas.Problems {
	var problems schemas.Problems
	for i, patch := range l.Patches {
		if _, err := patchSteps(i, patch); err != nil {
			problems = append(problems, doc.Problem(extend(l.path, "patches", i, "patch"), "%v", err))
		}
	}
	return problems
}

// patchSteps reads a patch: one JSON patch, or one strategic merge patch a
// document, which without a target applies to the object that it names.
func patchSteps(index int, patch schemas.Patch) ([]step, error) {
	path := []any{"patches", index}
	docs, problems := schemas.ParseYAML("patch", []byte(patch.Patch))
	if len(problems) > 0 {
		return nil, fmt.Errorf("line %d of the patch: %s", problems[0].Line, problems[0].Message)
	}
	if len(docs) == 0 {
		return nil, errors.New("is empty")
	}
	target := selector(patch.Target)
	if target == (types.Selector{}) && len(docs) == 1 {
		if _, isList := docs[0].Value().([]any); isList {
			return nil, errors.New("is a JSON patch, which needs a target; add target: {kind: …, name: …}")
		}
	}
	if target != (types.Selector{}) && len(docs) > 1 {
		return nil, errors.New("holds several documents, but a target takes one; make each a patch of its own")
	}
	var steps []step
	for _, doc := range docs {
		_, isList := doc.Value().([]any)
		s := step{path: path, target: target, json: isList}
		if target == (types.Selector{}) {
			own, err := ownTarget(doc.Value())
			if err != nil {
				return nil, err
			}
			s.target = own
		}
		text, err := json.Marshal(doc.Value())
		if err != nil {
			return nil, fmt.Errorf("cannot be read: %w", err)
		}
		s.text = string(text)
		steps = append(steps, s)
	}
	return steps, nil
}

func selector(t schemas.PatchTarget) types.Selector {
	return types.Selector{
		ResId: resid.ResId{
			Gvk:       resid.Gvk{Group: t.Group, Version: t.Version, Kind: t.Kind},
			Name:      t.Name,
			Namespace: t.Namespace,
		},
		LabelSelector: t.LabelSelector,
	}
}

// ownTarget selects the object that a strategic merge patch names.
func ownTarget(value any) (types.Selector, error) {
	fields, _ := value.(map[string]any)
	o := &object{fields: fields}
	if o.apiVersion() == "" || o.kind() == "" || o.name() == "" {
		return types.Selector{}, errors.New("names no object; give it apiVersion, kind and metadata.name, or a target")
	}
	version := o.apiVersion()[strings.LastIndex(o.apiVersion(), "/")+1:]
	return selector(schemas.PatchTarget{
		Group:     regexp.QuoteMeta(o.group()),
		Version:   regexp.QuoteMeta(version),
		Kind:      regexp.QuoteMeta(o.kind()),
		Name:      regexp.QuoteMeta(o.name()),
		Namespace: regexp.QuoteMeta(o.namespace()),
	}), nil
}

// patch applies the layer's patches to its objects.
func (l *layer) patch(ctx context.Context, objects []*object) ([]*object, schemas.Problems) {
	if len(l.Patches) == 0 {
		return objects, nil
	}
	var problems schemas.Problems
	patched, err := inTurn(ctx, func() (resmap.ResMap, error) {
		resources, err := newResourceMap(objects)
		if err != nil {
			return nil, err
		}
		problems = l.applyPatches(resources)
		resources.RemoveBuildAnnotations()
		return resources, nil
	})
	if err != nil {
		return nil, schemas.Problems{l.problem([]any{"patches"}, "the objects cannot be patched: %v", err)}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	origin := map[string]schemas.Position{}
	for _, o := range objects {
		origin[o.identity()] = o.from
	}
	result, problems := objectsOf(patched, l.profile.yaml.Position(extend(l.path, "patches")...))
	for _, o := range result {
		if from, ok := origin[o.identity()]; ok {
			o.from = from
		}
	}
	return result, problems
}

func (l *layer) applyPatches(resources resmap.ResMap) schemas.Problems {
	factory := provider.NewDefaultDepProvider().GetResourceFactory()
	var problems schemas.Problems
	for i, patch := range l.Patches {
		steps, err := patchSteps(i, patch)
		if err != nil {
			return append(problems, l.problem([]any{"patches", i, "patch"}, "%v", err))
		}
		for _, s := range steps {
			if err := s.apply(resources, factory); err != nil {
				problems = append(problems, l.problem(s.path, "%v", err))
			}
		}
	}
	return problems
}

func (s step) apply(resources resmap.ResMap, factory *resource.Factory) error {
	selected, err := resources.Select(s.target)
	if err != nil {
		return fmt.Errorf("the target cannot be read: %w", err)
	}
	if len(selected) == 0 {
		return fmt.Errorf("the patch matches no object of the layer; it has %s", titles(resources))
	}
	if s.json {
		for _, r := range selected {
			if err := r.ApplyFilter(patchjson6902.Filter{Patch: s.text}); err != nil {
				return fmt.Errorf("cannot be applied to %s %s: %s", r.GetKind(), r.GetName(), kustomizeMessage(err))
			}
		}
		return nil
	}
	patch, err := factory.FromBytes([]byte(s.text))
	if err != nil {
		return fmt.Errorf("cannot be read: %s", kustomizeMessage(err))
	}
	if err := resources.ApplySmPatch(resource.MakeIdSet(selected), patch); err != nil {
		return fmt.Errorf("cannot be applied: %s", kustomizeMessage(err))
	}
	return nil
}

// titles lists the first objects that a patch could have meant.
func titles(resources resmap.ResMap) string {
	var names []string
	for _, r := range resources.Resources() {
		names = append(names, r.GetKind()+" "+r.GetName())
	}
	slices.Sort(names)
	if len(names) > 10 {
		names = append(names[:10], fmt.Sprintf("and %d more", len(names)-10))
	}
	return strings.Join(names, ", ")
}
