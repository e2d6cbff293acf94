package renderer

import (
	"context"
	"maps"
	"slices"

	"branchline.dev/branchline/schemas"
)

// plan is a cluster with all references resolved and all values computed: what
// is left is to render the packs.
type plan struct {
	doc               *schemas.Document[schemas.Cluster]
	name              string
	kubernetesVersion string // "" without a layer of kind kubernetes
	layers            []*layer
	partial           bool // something is wrong: render what can be, to find what else is
}

// layer is one layer of one cluster.
type layer struct {
	*profileLayer
	profile   *profile
	values    map[string]any // null where a key is to be removed; nil if they could not be computed
	context   map[string]any // what expressions see of cluster and tenant
	dependsOn []string
	policy    schemas.Policy
}

// problem is a problem of the layer as its profile declares it.
func (l *layer) problem(field []any, format string, args ...any) schemas.Problem {
	return l.profile.yaml.Problem(extend(l.path, field...), format, args...)
}

// resolveClusters makes a plan for each cluster whose profiles have no problem.
// Of the others it checks what it can.
func resolveClusters(ctx context.Context, repo *schemas.Repository, profiles map[string]*profile) ([]*plan, schemas.Problems) {
	var plans []*plan
	var found []schemas.Problems // of each plan
	var problems schemas.Problems
	for _, doc := range slices.SortedStableFunc(slices.Values(repo.Clusters), byName) {
		used, usable := profilesOf(doc, profiles)
		if !usable || repo.Tenant == nil {
			problems = append(problems, checkVariables(doc, used)...)
			continue
		}
		p := &plan{doc: doc, name: doc.Object.Metadata.Name}
		wrong := p.resolve(ctx, repo.Tenant, used)
		p.partial = len(wrong) > 0
		plans, found = append(plans, p), append(found, wrong)
	}
	return plans, append(problems, gather(plans, found)...)
}

func byName(a, b *schemas.Document[schemas.Cluster]) int {
	return compareStrings(a.Object.Metadata.Name, b.Object.Metadata.Name)
}

// profilesOf gives the profiles of a cluster, nil for those that do not exist,
// and says whether all can be used, each once.
func profilesOf(doc *schemas.Document[schemas.Cluster], profiles map[string]*profile) (used []*profile, usable bool) {
	usable = true
	for _, ref := range doc.Object.Spec.Profiles {
		p := profiles[schemas.ID(ref.Name, ref.Version)]
		usable = usable && p != nil && p.usable && !slices.Contains(used, p)
		used = append(used, p)
	}
	return used, usable
}

// checkVariables checks what a cluster sets for the profiles whose declarations
// are right.
func checkVariables(doc *schemas.Document[schemas.Cluster], used []*profile) schemas.Problems {
	var problems schemas.Problems
	for i, p := range used {
		if p == nil || !p.declared {
			continue
		}
		_, found := setVariables(p.variables, doc.YAML, []any{"spec", "profiles", i}, doc.Object.Spec.Profiles[i].Variables)
		problems = append(problems, found...)
	}
	return problems
}

func (p *plan) resolve(ctx context.Context, tenant *schemas.Document[schemas.Tenant], used []*profile) schemas.Problems {
	for _, prof := range used {
		for i := range prof.layers {
			p.layers = append(p.layers, &layer{profileLayer: &prof.layers[i], profile: prof})
		}
	}
	problems := p.checkLayers()
	problems = append(problems, p.order()...)
	for _, l := range p.layers {
		l.policy = schemas.Policy{Drift: firstDrift(l.Policy.Drift, p.doc.Object.Spec.Policy.Drift, tenant.Object.Spec.Policy.Drift, schemas.DriftHeal)}
		if l.Kind == schemas.LayerKubernetes {
			p.kubernetesVersion = l.Pack.Version
		}
	}
	common := p.variables(tenant.Object.Metadata.Name)
	for _, l := range p.layers {
		l.context = common
	}
	for i, prof := range used {
		path := []any{"spec", "profiles", i}
		ref := p.doc.Object.Spec.Profiles[i]
		variables, wrong := setVariables(prof.variables, p.doc.YAML, path, ref.Variables)
		problems = append(problems, wrong...)
		maps.Copy(variables, common)
		overrides, found := compileOverrides(prof.scope, p.doc.YAML, path, ref.Layers)
		problems = append(problems, found...)
		if len(found)+len(wrong) > 0 {
			continue // values computed from wrong variables would only give more of the same
		}
		problems = append(problems, p.computeValues(ctx, prof, variables, overrides)...)
	}
	return problems
}

func firstDrift(policies ...schemas.DriftPolicy) schemas.DriftPolicy {
	for _, policy := range policies {
		if policy != "" {
			return policy
		}
	}
	return schemas.DriftHeal
}

// variables are what expressions of every profile see.
func (p *plan) variables(tenant string) map[string]any {
	cluster := &p.doc.Object
	labels := cluster.Metadata.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	return map[string]any{
		"tenant.name":               tenant,
		"cluster.name":              cluster.Metadata.Name,
		"cluster.labels":            labels,
		"cluster.cloud":             cluster.Spec.Cloud.Type,
		"cluster.account":           cluster.Spec.Cloud.Account,
		"cluster.kubernetesVersion": p.kubernetesVersion,
	}
}

// override is a cluster's change of one layer's values, compiled.
type override struct {
	path   []any
	values map[string]any
	raw    map[string]any
}

func compileOverrides(s *scope, doc *schemas.YAML, path []any, overrides []schemas.LayerOverride) (map[string]override, schemas.Problems) {
	result := map[string]override{}
	var problems schemas.Problems
	for i, o := range overrides {
		at := extend(path, "layers", i, "values")
		values, found := compileValues(s, doc, at, mapOrEmpty(o.Values), anyType)
		problems = append(problems, found...)
		m, _ := values.(map[string]any)
		result[o.Name] = override{path: at, values: m, raw: o.Values}
	}
	return result, problems
}

// computeValues gives each layer of a profile its final values and checks them
// with the pack's schema.
func (p *plan) computeValues(ctx context.Context, prof *profile, variables map[string]any, overrides map[string]override) schemas.Problems {
	var problems schemas.Problems
	for _, l := range p.layers {
		if l.profile != prof {
			continue
		}
		over := overrides[l.Name]
		at := extend(l.path, "values")
		base, found := evalValues(ctx, prof.yaml, at, l.profileLayer.values, variables)
		problems = append(problems, found...)
		top, more := evalValues(ctx, p.doc.YAML, over.path, mapOrEmpty(over.values), variables)
		problems = append(problems, more...)
		if len(found)+len(more) > 0 {
			continue
		}
		baseMap, _ := base.(map[string]any)
		topMap, _ := top.(map[string]any)
		values := merge(merge(l.pack.values, baseMap), topMap)
		sources := []source{
			{yaml: prof.yaml, prefix: at},
			{yaml: l.pack.yaml, values: l.pack.values},
			{yaml: prof.yaml, prefix: at, values: baseMap},
			{yaml: p.doc.YAML, prefix: over.path, values: topMap},
		}
		found = checkValues(l.pack, values, sources)
		problems = append(problems, found...)
		if len(found) == 0 {
			l.values = values
		}
	}
	return problems
}

func checkValues(p *pack, values map[string]any, sources []source) schemas.Problems {
	if p.schema == nil {
		return nil
	}
	var problems schemas.Problems
	for _, violation := range p.schema.Check(withoutNulls(values)) {
		problems = append(problems, locate(sources, violation.Path, "%s (values of the pack %s)", violation.Message, p.id))
	}
	return problems
}
