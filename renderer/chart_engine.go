package renderer

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"text/template"

	helm "helm.sh/helm/v4/pkg/chart"
	"helm.sh/helm/v4/pkg/chart/common"
)

// chartEngine executes the templates of one chart with Helm's meaning. It stands
// in for Helm's own engine, whose tpl can recurse until the process dies, whose
// loops cannot be interrupted, and whose Files.AsConfig depends on map order.
// TestSameAsHelm holds it to the original.
type chartEngine struct {
	budget    *templateBudget
	functions template.FuncMap
	includes  map[string]int // calls of each named template that have not returned
	nested    int            // calls of tpl that have not returned
}

// Limits on recursion; maxIncludes is Helm's own.
const (
	maxIncludes = 1000
	maxNested   = 50
)

// chartTemplate is one file below templates/ with what it sees.
type chartTemplate struct {
	name   string // as Helm names it: chart/templates/file
	text   string
	values map[string]any
}

// renderTemplates gives the output of every template but partials (whose names
// start with "_"), by Helm's name.
func renderTemplates(budget *templateBudget, root helm.Charter, top map[string]any) (map[string]string, error) {
	templates, _, err := collectTemplates(root, top, nil)
	if err != nil {
		return nil, err
	}
	// Deeper charts first, so that a parent's definitions replace those of its subcharts.
	slices.SortFunc(templates, func(a, b chartTemplate) int {
		return cmp.Or(cmp.Compare(strings.Count(b.name, "/"), strings.Count(a.name, "/")), cmp.Compare(b.name, a.name))
	})
	e := &chartEngine{budget: budget, functions: pureFunctions(budget), includes: map[string]int{}}
	set := newTemplateSet(e)
	for _, t := range templates {
		if _, err := set.New(t.name).Parse(withSteps(t.name, t.text)); err != nil {
			return nil, err
		}
	}
	rendered := make(map[string]string, len(templates))
	for _, t := range templates {
		if strings.HasPrefix(path.Base(t.name), "_") {
			continue
		}
		t.values["Template"] = common.Values{"Name": t.name, "BasePath": path.Join(chartPrefix(t.name), "templates")}
		text, err := e.execute(set, t.name, t.values)
		if err != nil {
			return nil, templateError{t.name, err}
		}
		rendered[t.name] = text
	}
	return rendered, nil
}

// templateError is an error of the template of a name, for those errors that do
// not name it themselves.
type templateError struct {
	name string
	err  error
}

func (e templateError) Error() string { return e.err.Error() }
func (e templateError) Unwrap() error { return e.err }

// newTemplateSet is an empty set of templates with all functions.
func newTemplateSet(e *chartEngine) *template.Template {
	set := template.New("chart").Option("missingkey=zero").Funcs(e.functions)
	e.bind(set)
	return set
}

// chartPrefix is the part of a template's name that names its chart.
func chartPrefix(name string) string {
	if i := strings.LastIndex(name, "/templates/"); i >= 0 {
		return name[:i]
	}
	return path.Dir(name)
}

// collectTemplates lists the templates of a chart and its subcharts. A subchart
// sees the values under its name only.
func collectTemplates(c helm.Charter, scope map[string]any, found []chartTemplate) ([]chartTemplate, map[string]any, error) {
	chart, err := helm.NewAccessor(c)
	if err != nil {
		return nil, nil, fmt.Errorf("read the chart: %w", err)
	}
	metadata := chart.MetadataAsMap()
	metadata["IsRoot"] = chart.IsRoot()
	subcharts := map[string]any{}
	seen := map[string]any{
		"Chart":        metadata,
		"Files":        newChartFiles(chart.Files()),
		"Release":      scope["Release"],
		"Capabilities": scope["Capabilities"],
		"Values":       make(common.Values),
		"Subcharts":    subcharts,
	}
	if chart.IsRoot() {
		seen["Values"] = scope["Values"]
	} else if own, err := common.Values(scope).Table("Values." + chart.Name()); err == nil {
		seen["Values"] = own
	}
	for _, dependency := range chart.Dependencies() {
		sub, err := helm.NewAccessor(dependency)
		if err != nil {
			return nil, nil, fmt.Errorf("read a subchart of %s: %w", chart.Name(), err)
		}
		if found, subcharts[sub.Name()], err = collectSubchart(dependency, seen, found); err != nil {
			return nil, nil, err
		}
	}
	for _, file := range chart.Templates() {
		if file == nil || chart.IsLibraryChart() && !strings.HasPrefix(path.Base(file.Name), "_") {
			continue
		}
		found = append(found, chartTemplate{
			name:   path.Join(chart.ChartFullPath(), file.Name),
			text:   string(file.Data),
			values: maps.Clone(seen),
		})
	}
	return found, seen, nil
}

func collectSubchart(c helm.Charter, scope map[string]any, found []chartTemplate) ([]chartTemplate, any, error) {
	found, seen, err := collectTemplates(c, scope, found)
	return found, seen, err
}

// execute runs one template into a bounded buffer.
func (e *chartEngine) execute(set *template.Template, name string, data any) (string, error) {
	out := &boundedBuffer{budget: e.budget}
	if err := set.ExecuteTemplate(out, name, data); err != nil {
		return "", err
	}
	// text/template prints this for a missing key of a map without a type, whatever the option says.
	return strings.ReplaceAll(out.String(), "<no value>", ""), nil
}

// bind gives a set of templates the functions that need it.
func (e *chartEngine) bind(set *template.Template) {
	set.Funcs(template.FuncMap{
		"include": func(name string, data any) (string, error) {
			if e.includes[name] >= maxIncludes {
				return "", fmt.Errorf("the named template %q includes itself without end", name)
			}
			e.includes[name]++
			defer func() { e.includes[name]-- }()
			out := &boundedBuffer{budget: e.budget}
			err := set.ExecuteTemplate(out, name, data)
			return out.String(), err
		},
		"tpl": func(text string, data any) (string, error) { return e.tpl(set, text, data) },
	})
}

// tplName names the text given to tpl in errors.
const tplName = "tpl-text"

// tpl executes text that is itself a template. What it defines is known to
// itself only.
func (e *chartEngine) tpl(set *template.Template, text string, data any) (string, error) {
	if e.nested >= maxNested {
		return "", errors.New("tpl calls itself without end")
	}
	if _, err := e.budget.step(len(text)); err != nil {
		return "", err
	}
	if !strings.Contains(text, "{{") {
		return strings.ReplaceAll(text, "<no value>", ""), nil
	}
	e.nested++
	defer func() { e.nested-- }()
	inner, err := set.Clone()
	if err != nil {
		return "", fmt.Errorf("prepare tpl: %w", err)
	}
	inner.Option("missingkey=zero") // Clone forgets it
	e.bind(inner)
	if _, err := inner.New(tplName).Parse(withSteps(tplName, text)); err != nil {
		return "", err
	}
	return e.execute(inner, tplName, data)
}

// boundedBuffer collects output as long as the budget lasts.
type boundedBuffer struct {
	bytes.Buffer
	budget *templateBudget
}

func (b *boundedBuffer) Write(data []byte) (int, error) {
	if b.Len()+len(data) > maxLayerBytes {
		return 0, errTooMuchWork
	}
	if len(data) == 0 {
		return 0, nil // the budget is better exceeded by a function, whose place is known
	}
	if _, err := b.budget.step(len(data)); err != nil {
		return 0, err
	}
	return b.Buffer.Write(data)
}

// WriteString keeps io.WriteString from going past Write.
func (b *boundedBuffer) WriteString(s string) (int, error) { return b.Write([]byte(s)) }
