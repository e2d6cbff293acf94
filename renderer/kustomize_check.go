package renderer

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"branchline.dev/branchline/schemas"
)

// kustomizationNames are the names that kustomize looks for in a folder.
func kustomizationNames() []string {
	return []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}
}

// kustomizationIn finds the kustomization file of a folder of the pack; without
// one it gives the first of the names.
func (p *pack) kustomizationIn(dir string) string {
	for _, name := range kustomizationNames() {
		if _, ok := p.files[path.Join(dir, name)]; ok {
			return path.Join(dir, name)
		}
	}
	return path.Join(dir, kustomizationNames()[0])
}

// refusedFields are what kustomize must not do here, with the reason and what to
// do instead.
func refusedFields() map[string]string {
	return map[string]string{
		"openapi":                     "an own OpenAPI schema is not supported, since kustomize keeps one schema for the whole process; use a JSON 6902 patch where a strategic merge patch needs it",
		"generators":                  "generator plugins are not run; use configMapGenerator or secretGenerator, or put the result into the pack",
		"transformers":                "transformer plugins are not run; use patches, labels, images or replacements",
		"validators":                  "validator plugins are not run; remove them",
		"helmCharts":                  "kustomize would run the helm program; make the chart a pack of its own, with a layer of its own",
		"helmChartInflationGenerator": "kustomize would run the helm program; make the chart a pack of its own, with a layer of its own",
		"helmGlobals":                 "kustomize would run the helm program; make the chart a pack of its own, with a layer of its own",
	}
}

// pathFields hold names of files and folders; the fields of list entries too.
func pathFields() []string {
	return []string{"resources", "components", "bases", "crds", "configurations", "path", "files", "envs", "env"}
}

// checkKustomize refuses what would leave the pack's folder or run a program.
// Kustomize itself would clone repositories and fetch URLs, so every path of
// every kustomization must be one of the pack's own files or folders.
func checkKustomize(p *pack) schemas.Problems {
	if _, ok := p.files[p.kustomizationIn("")]; !ok {
		return wholeFile(p.at("", 0, 0).File, "holds no kustomization.yaml")
	}
	var problems schemas.Problems
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		if slices.Contains(kustomizationNames(), path.Base(name)) {
			problems = append(problems, p.checkKustomization(name)...)
		}
	}
	return problems
}

func (p *pack) checkKustomization(name string) schemas.Problems {
	docs, problems := schemas.ParseYAML(p.at(name, 0, 0).File, p.files[name])
	for _, doc := range docs {
		fields, ok := doc.Value().(map[string]any)
		if !ok {
			problems = append(problems, doc.Problem(nil, "a kustomization is a mapping"))
			continue
		}
		for _, field := range slices.Sorted(maps.Keys(fields)) {
			if reason, refused := canonicalField(field); refused {
				problem := doc.Problem([]any{field}, "%s", reason)
				problem.Position = doc.KeyPosition(field)
				problems = append(problems, problem)
			}
		}
		problems = append(problems, p.checkPaths(doc, path.Dir(name), fields, nil)...)
	}
	return problems
}

// canonicalField compares without regard to case, as the JSON decoder that
// kustomize uses does.
func canonicalField(field string) (reason string, refused bool) {
	for name, reason := range refusedFields() {
		if strings.EqualFold(name, field) {
			return reason, true
		}
	}
	return "", false
}

// checkPaths checks every string in a field that names files. The text of
// inline patches is no such field.
func (p *pack) checkPaths(doc *schemas.YAML, dir string, value any, at []any) schemas.Problems {
	var problems schemas.Problems
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			problems = append(problems, p.checkPaths(doc, dir, v[key], extend(at, key))...)
		}
	case []any:
		for i, item := range v {
			problems = append(problems, p.checkPaths(doc, dir, item, extend(at, i))...)
		}
	case string:
		if err := p.checkPath(dir, at, v); err != nil {
			problems = append(problems, doc.Problem(at, "%v", err))
		}
	}
	return problems
}

func (p *pack) checkPath(dir string, at []any, text string) error {
	field := lastKey(at)
	switch {
	case isPathField(field):
	case strings.EqualFold(field, "patchesStrategicMerge") && !strings.Contains(text, "\n"):
	default:
		return nil
	}
	if strings.EqualFold(field, "path") && len(at) > 1 && !isPatchEntry(at) {
		return nil // the path of a field in an object, as in replacements' fieldPaths
	}
	if strings.EqualFold(field, "files") {
		if _, file, named := strings.Cut(text, "="); named {
			text = file
		}
	}
	target := path.Join(dir, text)
	if text == "" || path.IsAbs(text) || target == ".." || strings.HasPrefix(target, "../") || !p.has(target) {
		return fmt.Errorf("%q is no file or folder of the pack; a pack holds everything that it needs (remote bases and URLs are not fetched)", text)
	}
	if strings.Contains(text, ":") || strings.Contains(text, "//") || strings.Contains(text, "?") || strings.Contains(text, "@") || strings.Contains(text, ".git") {
		return fmt.Errorf("%q could be taken for a remote address by kustomize; rename it", text)
	}
	// The first two parts of a relative path are read as a repository if they look like a host.
	if first, _, _ := strings.Cut(text, "/"); strings.Contains(first, ".com") {
		return fmt.Errorf("%q could be taken for a remote address by kustomize; rename it", text)
	}
	return nil
}

func isPathField(field string) bool {
	return slices.ContainsFunc(pathFields(), func(name string) bool { return strings.EqualFold(name, field) })
}

// isPatchEntry says whether a "path" stands directly in an entry of a list that
// loads files.
func isPatchEntry(at []any) bool {
	list, _ := at[0].(string)
	for _, name := range []string{"patches", "patchesJson6902", "replacements", "openapi"} {
		if strings.EqualFold(name, list) {
			return len(at) == 3
		}
	}
	return false
}

// lastKey is the innermost key of a path.
func lastKey(at []any) string {
	for _, element := range slices.Backward(at) {
		if key, ok := element.(string); ok {
			return key
		}
	}
	return ""
}

// has says whether a path is a file or folder of the pack.
func (p *pack) has(target string) bool {
	if _, ok := p.files[target]; ok || target == "." {
		return true
	}
	for name := range p.files {
		if strings.HasPrefix(name, target+"/") {
			return true
		}
	}
	return false
}
