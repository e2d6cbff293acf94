package renderer

import (
	"cmp"
	"slices"
	"strings"

	"branchline.dev/branchline/schemas"
)

func compareStrings(a, b string) int { return cmp.Compare(a, b) }

// checkLayers refuses what no single profile can see: two layers of one name,
// two operating systems, two distributions.
func (p *plan) checkLayers() schemas.Problems {
	var problems schemas.Problems
	byName := map[string]*layer{}
	byKind := map[schemas.LayerKind]*layer{}
	for _, l := range p.layers {
		if other := byName[l.Name]; other != nil {
			problems = append(problems, p.doc.YAML.Problem([]any{"spec", "profiles"},
				"the profiles %s and %s both have a layer %q; rename one or drop a profile", other.profile.id, l.profile.id, l.Name))
			continue
		}
		byName[l.Name] = l
		if l.Kind != schemas.LayerOS && l.Kind != schemas.LayerKubernetes {
			continue
		}
		if other := byKind[l.Kind]; other != nil {
			if other.profile == l.profile {
				problems = append(problems, l.problem([]any{"kind"}, "the layers %q and %q are both of kind %s; a cluster has one", other.Name, l.Name, l.Kind))
				continue
			}
			problems = append(problems, p.doc.YAML.Problem([]any{"spec", "profiles"},
				"the layers %q of %s and %q of %s are both of kind %s; a cluster has one", other.Name, other.profile.id, l.Name, l.profile.id, l.Kind))
			continue
		}
		byKind[l.Kind] = l
	}
	return problems
}

// order fills in what each layer depends on: what it says, or the layer before
// it in the cluster. Unknown names and cycles are refused.
func (p *plan) order() schemas.Problems {
	var names []string
	for _, l := range p.layers {
		names = append(names, l.Name)
	}
	var problems schemas.Problems
	for i, l := range p.layers {
		l.dependsOn = l.DependsOn
		if l.DependsOn == nil && i > 0 {
			l.dependsOn = []string{names[i-1]}
		}
		for j, name := range l.DependsOn {
			switch {
			case name == l.Name:
				problems = append(problems, l.problem([]any{"dependsOn", j}, "the layer depends on itself; remove the entry"))
			case !slices.Contains(names, name):
				hint := schemas.Suggest(name, names)
				if hint == "" {
					hint = listOf(names)
				}
				problems = append(problems, l.problem([]any{"dependsOn", j}, "there is no layer %q%s", name, hint))
			}
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return p.cycles()
}

// cycles reports the first cycle in the order of layers.
func (p *plan) cycles() schemas.Problems {
	byName := map[string]*layer{}
	for _, l := range p.layers {
		byName[l.Name] = l
	}
	done := map[string]bool{}
	var walk func(l *layer, trail []string) []string
	walk = func(l *layer, trail []string) []string {
		if at := slices.Index(trail, l.Name); at >= 0 {
			return append(slices.Clone(trail[at:]), l.Name)
		}
		if done[l.Name] {
			return nil
		}
		for _, name := range l.dependsOn {
			if cycle := walk(byName[name], append(slices.Clone(trail), l.Name)); cycle != nil {
				return cycle
			}
		}
		done[l.Name] = true
		return nil
	}
	for _, l := range p.layers {
		if cycle := walk(l, nil); cycle != nil {
			return schemas.Problems{l.problem([]any{"dependsOn"}, "the layers wait for each other: %s; remove one dependency", strings.Join(cycle, " -> "))}
		}
	}
	return nil
}
