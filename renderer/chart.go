package renderer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	commonutil "helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"

	"branchline.dev/branchline/schemas"
)

// helmVersion is what charts find in .Capabilities.HelmVersion: a constant,
// since the real one tells which machine built the program.
const helmVersion = "v4.3.1"

// renderChart renders a Helm chart as its first installation would be.
func renderChart(ctx context.Context, l *layer, kubernetesVersion string) ([]*object, schemas.Problems) {
	p := l.pack
	c, problems := p.loadChart()
	if len(problems) > 0 {
		return nil, problems
	}
	values := common.Values(deepCopy(l.values).(map[string]any))
	if err := chartutil.ProcessDependencies(c, values); err != nil {
		return nil, schemas.Problems{p.chartProblem("Chart.yaml", "the subcharts cannot be resolved: %v", err)}
	}
	capabilities, err := capabilitiesOf(kubernetesVersion)
	if err != nil {
		return nil, schemas.Problems{p.chartProblem("", "%v", err)}
	}
	release := common.ReleaseOptions{Name: l.Name, Namespace: l.targetNamespace(), Revision: 1, IsInstall: true}
	top, err := commonutil.ToRenderValuesWithSchemaValidation(c, values, release, capabilities, true)
	if err != nil {
		return nil, schemas.Problems{p.chartProblem(valuesFile, "the values cannot be merged: %v", err)}
	}
	merged, err := top.Table("Values")
	if err != nil {
		return nil, schemas.Problems{p.chartProblem(valuesFile, "the values cannot be merged: %v", err)}
	}
	if problems := l.checkChartValues(c, merged, "."); len(problems) > 0 {
		return nil, problems
	}
	budget := &templateBudget{left: maxTemplateWork, ctx: ctx}
	templates, err := guarded(ctx, func() (map[string]string, error) { return renderTemplates(budget, c, top) })
	if err != nil {
		return nil, schemas.Problems{p.templateProblem(c, err)}
	}
	return p.chartObjects(c, templates)
}

// loadChart reads the chart and its subcharts. It is done anew for each
// rendering, because resolving subcharts changes the chart.
func (p *pack) loadChart() (*chart.Chart, schemas.Problems) {
	var files []*archive.BufferedFile
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		if strings.HasPrefix(path.Base(name), ".") {
			continue // editors' and Finder's files, which Helm ignores as well
		}
		files = append(files, &archive.BufferedFile{Name: name, Data: p.files[name]})
	}
	c, err := loader.LoadFiles(files)
	if err != nil {
		return nil, schemas.Problems{p.chartProblem("Chart.yaml", "the chart cannot be loaded: %v", err)}
	}
	if err := sortSubcharts(c); err != nil {
		return nil, schemas.Problems{p.chartProblem("charts", "%v", err)}
	}
	if err := checkSubcharts(c); err != nil {
		return nil, schemas.Problems{p.chartProblem("Chart.yaml", "%v", err)}
	}
	return c, nil
}

// checkSubcharts refuses a chart that would silently render without a part of
// itself, as Helm does.
func checkSubcharts(c *chart.Chart) error {
	for _, declared := range c.Metadata.Dependencies {
		held := slices.ContainsFunc(c.Dependencies(), func(sub *chart.Chart) bool { return sub.Name() == declared.Name })
		if !held {
			return fmt.Errorf("the dependency %q is not in charts/; run \"helm dependency build\" and commit charts/", declared.Name)
		}
	}
	return nil
}

// sortSubcharts undoes the random order in which the loader adds subcharts, and
// refuses two of one name, between which Helm would choose by that order.
func sortSubcharts(c *chart.Chart) error {
	subcharts := slices.SortedFunc(slices.Values(c.Dependencies()), func(a, b *chart.Chart) int {
		return compareStrings(a.Name(), b.Name())
	})
	for i, sub := range subcharts {
		if i > 0 && subcharts[i-1].Name() == sub.Name() {
			return fmt.Errorf("the chart %s holds two subcharts named %s; remove one", c.Name(), sub.Name())
		}
		if err := sortSubcharts(sub); err != nil {
			return err
		}
	}
	c.SetDependencies(subcharts...)
	return nil
}

func capabilitiesOf(kubernetesVersion string) (*common.Capabilities, error) {
	if kubernetesVersion == "" {
		kubernetesVersion = defaultKubernetesVersion
	}
	version, err := common.ParseKubeVersion(kubernetesVersion)
	if err != nil {
		return nil, fmt.Errorf("the version %q of the layer of kind kubernetes is not a Kubernetes version: %w", kubernetesVersion, err)
	}
	capabilities := common.DefaultCapabilities.Copy()
	capabilities.KubeVersion = *version
	capabilities.APIVersions = servedAPIs()
	program := capabilities.HelmVersion
	program.Version, program.GitCommit, program.GitTreeState, program.GoVersion = helmVersion, "", "", ""
	capabilities.HelmVersion = program
	return capabilities, nil
}

// checkChartValues holds the merged values to the values.schema.json of the
// chart and of each subchart. Helm's own check could fetch references.
func (l *layer) checkChartValues(c *chart.Chart, values map[string]any, at string) schemas.Problems {
	var problems schemas.Problems
	if len(c.Schema) > 0 {
		name := path.Join(at, valuesSchemaFile)
		schema, err := schemas.CompileSchema(name, c.Schema)
		if err != nil {
			return schemas.Problems{l.pack.chartProblem(name, "%s", strings.TrimPrefix(err.Error(), name+": "))}
		}
		for _, violation := range schema.Check(values) {
			problems = append(problems, l.problem([]any{"values"}, "values.%s: %s (schema of the chart %s)",
				schemas.FormatPath(violation.Path), violation.Message, c.Name()))
		}
	}
	for _, sub := range c.Dependencies() {
		inner, _ := values[sub.Name()].(map[string]any)
		problems = append(problems, l.checkChartValues(sub, inner, path.Join(at, "charts", sub.Name()))...)
	}
	return problems
}

// chartObjects collects the objects of the CRDs and templates of a chart.
func (p *pack) chartObjects(c *chart.Chart, templates map[string]string) ([]*object, schemas.Problems) {
	var objects []*object
	var problems schemas.Problems
	add := func(file string, data []byte) {
		found, more := p.parseOutput(file, data)
		objects = append(objects, found...)
		problems = append(problems, more...)
	}
	crds := c.CRDObjects()
	slices.SortFunc(crds, func(a, b chart.CRD) int { return compareStrings(a.Filename, b.Filename) })
	for _, crd := range crds {
		add(p.sourceOf(c, crd.Filename), crd.File.Data)
	}
	size := 0
	for _, name := range slices.Sorted(maps.Keys(templates)) {
		if size += len(templates[name]); size > maxLayerBytes {
			return nil, schemas.Problems{p.chartProblem("templates", "the templates give more than %d bytes", maxLayerBytes)}
		}
		if path.Base(name) != "NOTES.txt" && strings.TrimSpace(templates[name]) != "" {
			add(p.sourceOf(c, name), []byte(templates[name]))
		}
	}
	objects, found := dropHooks(objects)
	return objects, append(problems, found...)
}

// hookAnnotation marks objects that Helm itself runs at points of an
// installation.
const hookAnnotation = "helm.sh/hook"

// dropHooks leaves out tests and refuses other hooks: nothing runs them at the
// right moment here, and applying them like any object would do harm.
func dropHooks(objects []*object) ([]*object, schemas.Problems) {
	var kept []*object
	var problems schemas.Problems
	for _, o := range objects {
		annotations, _ := o.metadata()["annotations"].(map[string]any)
		hook, isHook := annotations[hookAnnotation].(string)
		switch {
		case !isHook || strings.TrimSpace(hook) == "crd-install":
			kept = append(kept, o)
		case !isTest(hook):
			problems = append(problems, o.problem("the %s is a Helm hook (%s: %s), which nothing would run; switch it off in the values, or take the annotation out and order it with a layer of its own",
				o.title(), hookAnnotation, hook))
		}
	}
	return kept, problems
}

func isTest(hook string) bool {
	for event := range strings.SplitSeq(hook, ",") {
		switch strings.TrimSpace(event) {
		case "test", "test-success", "test-failure":
		default:
			return false
		}
	}
	return true
}

// sourceOf gives the file in the pack that a template's name in Helm stands for:
// Helm puts the chart's name in front.
func (p *pack) sourceOf(c *chart.Chart, name string) string {
	return strings.TrimPrefix(name, c.Name()+"/")
}

func (p *pack) chartProblem(file, format string, args ...any) schemas.Problem {
	return schemas.Problem{Position: p.at(file, 0, 0), Message: fmt.Sprintf(format, args...)}
}

// targetNamespace is where the layer's objects go that name no namespace.
func (l *layer) targetNamespace() string {
	if l.Namespace == "" {
		return "default"
	}
	return l.Namespace
}

// errTooMuchWork ends templates that loop or grow without end.
var errTooMuchWork = errors.New("the template does more work than is allowed; make its loops smaller")

// deepCopy copies a plain value, so that templates cannot change it.
func deepCopy(value any) any {
	switch v := value.(type) {
	case map[string]any:
		result := make(map[string]any, len(v))
		for key, item := range v {
			result[key] = deepCopy(item)
		}
		return result
	case []any:
		result := make([]any, len(v))
		for i, item := range v {
			result[i] = deepCopy(item)
		}
		return result
	}
	return value
}
