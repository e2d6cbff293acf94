package renderer

import (
	"branchline.dev/branchline/schemas"
)

// profile is a profile whose declarations and expressions have been checked.
type profile struct {
	id        string // name@version
	yaml      *schemas.YAML
	variables []variable
	scope     *scope
	layers    []profileLayer
	declared  bool // the variables are without problems
	usable    bool // so is everything else, packs included
}

// profileLayer is a layer with its pack and compiled values.
type profileLayer struct {
	schemas.Layer
	path   []any // in the profile's document
	pack   *pack
	values map[string]any
}

// checkProfiles checks every profile by itself, whether a cluster uses it or
// not. The result is keyed by name@version.
func checkProfiles(repo *schemas.Repository, packs map[string]*pack) (map[string]*profile, schemas.Problems) {
	profiles := map[string]*profile{}
	var problems schemas.Problems
	for _, doc := range repo.Profiles {
		p, found := checkProfile(doc, packs)
		problems = append(problems, found...)
		profiles[p.id] = p
	}
	return profiles, problems
}

// checkProfile gives an unusable profile without a problem if it refers to a
// pack that is missing or broken, or has two layers of one name: that has been
// reported already.
func checkProfile(doc *schemas.Document[schemas.ClusterProfile], packs map[string]*pack) (*profile, schemas.Problems) {
	p := &profile{id: schemas.ID(doc.Object.Metadata.Name, doc.Object.Spec.Version), yaml: doc.YAML}
	variables, problems := declareVariables(doc)
	p.variables, p.declared = variables, len(problems) == 0
	scope, err := newLayerScope(doc.Object.Spec.Variables)
	if err != nil {
		return p, append(problems, doc.YAML.Problem([]any{"spec", "variables"}, "%v", err))
	}
	p.scope = scope
	whole := !repeats(doc.Object.Spec.Layers)
	for i, declared := range doc.Object.Spec.Layers {
		layer := profileLayer{Layer: declared, path: []any{"spec", "layers", i}}
		layer.Kind = layerKind(declared.Kind)
		problems = append(problems, checkLayerKind(doc, &layer)...)
		if declared.Namespace == schemas.AgentNamespace {
			problems = append(problems, doc.YAML.Problem(extend(layer.path, "namespace"), "the namespace %s is the agent's own; use another", schemas.AgentNamespace))
		}
		if layer.pack = packs[schemas.ID(declared.Pack.Name, declared.Pack.Version)]; layer.pack == nil {
			whole = false
		} else if layer.pack.kind != layer.Kind {
			problems = append(problems, doc.YAML.Problem(extend(layer.path, "kind"),
				"the layer is of kind %s, but the pack %s of kind %s", layer.Kind, layer.pack.id, layer.pack.kind))
		}
		values, found := compileValues(scope, doc.YAML, extend(layer.path, "values"), mapOrEmpty(declared.Values), anyType)
		problems = append(problems, found...)
		layer.values, _ = values.(map[string]any)
		problems = append(problems, checkPatches(doc.YAML, &layer)...)
		p.layers = append(p.layers, layer)
	}
	p.usable = whole && len(problems) == 0
	return p, problems
}

// repeats says whether two layers have one name.
func repeats(layers []schemas.Layer) bool {
	names := map[string]bool{}
	for _, l := range layers {
		names[l.Name] = true
	}
	return len(names) < len(layers)
}

func mapOrEmpty(values map[string]any) map[string]any {
	if values == nil {
		return map[string]any{}
	}
	return values
}

// checkLayerKind holds the layers to what the profile's type allows.
func checkLayerKind(doc *schemas.Document[schemas.ClusterProfile], layer *profileLayer) schemas.Problems {
	addon := layer.Kind == schemas.LayerAddon
	switch profileType := doc.Object.Spec.Type; {
	case profileType == "infra" && addon:
		return schemas.Problems{doc.YAML.Problem(extend(layer.path, "kind"),
			"a profile of type infra holds os, kubernetes, cni and csi layers only; move the layer %q to another profile or change spec.type", layer.Name)}
	case profileType == "addon" && !addon:
		return schemas.Problems{doc.YAML.Problem(extend(layer.path, "kind"),
			"a profile of type addon holds addon layers only; move the %s layer %q to another profile or change spec.type", layer.Kind, layer.Name)}
	}
	return nil
}
