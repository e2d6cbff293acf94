package renderer_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"branchline.dev/branchline/renderer"
	"branchline.dev/branchline/schemas"
)

// chartWith is a tenant whose only pack is a chart with these files.
func chartWith(files map[string]string) fstest.MapFS {
	source := repository()
	delete(source, "clusters/two.yaml")
	delete(source, "packs/app/manifests/cm.yaml")
	source["packs/app/chart/Chart.yaml"] = text("{apiVersion: v2, name: app, version: 1.0.0}")
	source["packs/app/chart/templates/cm.yaml"] = text("{apiVersion: v1, kind: ConfigMap, metadata: {name: cm}}")
	for name, data := range files {
		source["packs/app/chart/"+name] = text(data)
	}
	return source
}

func kustomizeWith(files map[string]string) fstest.MapFS {
	source := repository()
	delete(source, "packs/app/manifests/cm.yaml")
	source["packs/app/kustomize/cm.yaml"] = text("{apiVersion: v1, kind: ConfigMap, metadata: {name: cm}}")
	for name, data := range files {
		source["packs/app/kustomize/"+name] = text(data)
	}
	return source
}

func manifestsWith(files map[string]string) fstest.MapFS {
	source := repository()
	for name, data := range files {
		source["packs/app/manifests/"+name] = text(data)
	}
	return source
}

// TestHostilePacks renders packs that try to reach outside or to exhaust the
// machine. Each must be refused, quickly, with its place.
func TestHostilePacks(t *testing.T) {
	t.Parallel()
	const head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n"
	template := func(body string) fstest.MapFS {
		return chartWith(map[string]string{"templates/a.yaml": head + body})
	}
	cases := map[string]struct {
		source fstest.MapFS
		file   string // of the problem
		want   string // in its message
	}{
		"clock":               {template(`  a: {{ now }}`), "packs/app/chart/templates/a.yaml:5:8", "now reads the clock"},
		"time zone":           {template(`  a: {{ "1" | toDate "2006" }}`), "packs/app/chart/templates/a.yaml:5", "reads the clock or the time zone"},
		"randomness":          {template(`  a: {{ shuffle "abc" }}`), "packs/app/chart/templates/a.yaml:5", "gives another result at each call"},
		"certificate":         {template(`  a: {{ (genCA "a" 1).Cert }}`), "packs/app/chart/templates/a.yaml:5", "makes a new key"},
		"live cluster":        {template(`  a: {{ lookup "v1" "Secret" "a" "b" }}`), "packs/app/chart/templates/a.yaml:5", "reads a live cluster"},
		"environment":         {template(`  a: {{ env "HOME" }}`), "packs/app/chart/templates/a.yaml:5", "reads the environment"},
		"network":             {template(`  a: {{ getHostByName "example.com" }}`), "packs/app/chart/templates/a.yaml:5", "asks the network"},
		"long list":           {template(`  a: {{ until 2000000000 }}`), "packs/app/chart/templates/a.yaml:5", "more than 10000 numbers"},
		"long sequence":       {template(`  a: {{ seq 1 2000000000 }}`), "packs/app/chart/templates/a.yaml:5", "more than 10000 numbers"},
		"long text":           {template(`  a: {{ repeat 2000000000 "a" }}`), "packs/app/chart/templates/a.yaml:5", "longer than"},
		"deep indent":         {template(`  a: {{ indent 2000000000 "a" }}`), "packs/app/chart/templates/a.yaml:5", "indentation"},
		"silent loops":        {template(`{{ $l := until 9999 }}{{ range $l }}{{ range $l }}{{ range $l }}{{ end }}{{ end }}{{ end }}`), "packs/app/chart/templates/a.yaml:5", "more work than is allowed"},
		"silent loops in tpl": {template(`{{ $l := until 9999 }}{{ tpl "{{ range . }}{{ range $ }}{{ range $ }}{{ end }}{{ end }}{{ end }}" $l }}`), "packs/app/chart/templates/a.yaml:5", "more work than is allowed"},
		"doubling text":       {template(`{{ $x := "aaaaaaaa" }}{{ range until 60 }}{{ $x = printf "%s%s" $x $x }}{{ end }}  a: b`), "packs/app/chart/templates/a.yaml:5", "more work than is allowed"},
		"doubling list":       {template(`{{ $x := list 1 }}{{ range until 60 }}{{ $x = list $x $x }}{{ end }}  a: {{ toYaml $x }}`), "packs/app/chart/templates/a.yaml:5", "more work than is allowed"},
		"doubling output":     {template(`{{ range until 9999 }}{{ range until 9999 }}  a: aaaaaaaaaaaaaaaaaaaaaaaaaaaaa{{ end }}{{ end }}`), "packs/app/chart/templates/a.yaml", "more work than is allowed"},
		"cyclic mapping":      {template(`{{ $d := dict }}{{ $_ := set $d "a" $d }}  a: {{ toYaml $d }}`), "packs/app/chart/templates/a.yaml:5", "more work than is allowed"},
		"endless include":     {template(`{{ define "x" }}{{ include "x" . }}{{ end }}{{ include "x" . }}`), "packs/app/chart/templates/a.yaml:5", "includes itself without end"},
		"doubling include":    {template(`{{ define "x" }}{{ $n := sub . 1 }}{{ if gt $n 0 }}{{ include "x" $n }}{{ include "x" $n }}{{ end }}{{ end }}{{ include "x" 60 }}`), "packs/app/chart/templates/a.yaml:5", "more work than is allowed"},
		"endless template":    {template(`{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}`), "packs/app/chart/templates/a.yaml:5", "exceeded maximum template depth"},
		"endless tpl":         {chartWith(map[string]string{"values.yaml": `t: "{{ tpl .Values.t . }}"`, "templates/a.yaml": `{{ tpl .Values.t . }}`}), "packs/app/chart/templates/a.yaml:1", "tpl calls itself without end"},
		"slow password":       {template(`{{ range until 9999 }}{{ derivePassword 1 "long" "a" "b" "c" }}{{ end }}`), "packs/app/chart/templates/a.yaml:5", "more work than is allowed"},
		"remote schema":       {chartWith(map[string]string{"values.schema.json": `{"$ref": "https://example.com/a.json"}`}), "packs/app/chart/values.schema.json", "a $ref to another document is not allowed"},
		"YAML bomb":           {manifestsWith(map[string]string{"a.yaml": yamlBomb()}), "packs/app/manifests/a.yaml:", "aliases"},
		"output YAML bomb":    {chartWith(map[string]string{"templates/a.yaml": yamlBomb()}), "packs/app/chart/templates/a.yaml", "excessive aliasing"},
		"not a chart":         {chartWith(map[string]string{"Chart.yaml": "{"}), "packs/app/chart/Chart.yaml", "cannot be loaded"},
		"two subcharts": {chartWith(map[string]string{
			"charts/a/Chart.yaml": "{apiVersion: v2, name: s, version: 1.0.0}", "charts/b/Chart.yaml": "{apiVersion: v2, name: s, version: 1.0.1}"}),
			"packs/app/chart/charts", "two subcharts named s"},
		"remote base":           {kustomizeWith(map[string]string{"kustomization.yaml": "resources: [\"https://github.com/example/repo//base?ref=v1\"]"}), "packs/app/kustomize/kustomization.yaml:1:13", "no file or folder of the pack"},
		"remote file":           {kustomizeWith(map[string]string{"kustomization.yaml": "resources: [cm.yaml]\nconfigMapGenerator: [{name: a, files: [\"a=https://example.com/a\"]}]"}), "packs/app/kustomize/kustomization.yaml:2:40", "no file or folder of the pack"},
		"remote patch":          {kustomizeWith(map[string]string{"kustomization.yaml": "resources: [cm.yaml]\npatches: [{path: \"http://example.com/a\"}]"}), "packs/app/kustomize/kustomization.yaml:2:18", "no file or folder of the pack"},
		"remote nested":         {kustomizeWith(map[string]string{"kustomization.yaml": "resources: [sub]", "sub/kustomization.yaml": "resources: [git@github.com:a/b]"}), "packs/app/kustomize/sub/kustomization.yaml:1:13", "no file or folder of the pack"},
		"disguised remote":      {kustomizeWith(map[string]string{"kustomization.yaml": "resources: [\"git@github.com:a/b\"]", "git@github.com:a/b/kustomization.yaml": "resources: []"}), "packs/app/kustomize/kustomization.yaml:1:13", "remote address"},
		"host file":             {kustomizeWith(map[string]string{"kustomization.yaml": "configMapGenerator: [{name: a, files: [/etc/passwd]}]"}), "packs/app/kustomize/kustomization.yaml:1:40", "no file or folder of the pack"},
		"parent file":           {kustomizeWith(map[string]string{"kustomization.yaml": "configMapGenerator: [{name: a, files: [../pack.yaml]}]"}), "packs/app/kustomize/kustomization.yaml:1:40", "no file or folder of the pack"},
		"exec plugin":           {kustomizeWith(map[string]string{"kustomization.yaml": "resources: [cm.yaml]\ntransformers: [cm.yaml]"}), "packs/app/kustomize/kustomization.yaml:2:1", "plugins are not run"},
		"disguised plugin":      {kustomizeWith(map[string]string{"kustomization.yaml": "resources: [cm.yaml]\nTransFormers: [cm.yaml]"}), "packs/app/kustomize/kustomization.yaml:2:1", "plugins are not run"},
		"helm in kustomize":     {kustomizeWith(map[string]string{"kustomization.yaml": "helmCharts: [{name: a}]"}), "packs/app/kustomize/kustomization.yaml:1:1", "run the helm program"},
		"own OpenAPI":           {kustomizeWith(map[string]string{"kustomization.yaml": "openapi: {path: cm.yaml}\nresources: [cm.yaml]"}), "packs/app/kustomize/kustomization.yaml:1:1", "OpenAPI"},
		"cyclic bases":          {kustomizeWith(map[string]string{"kustomization.yaml": "resources: [a]", "a/kustomization.yaml": "resources: [../a]"}), "packs/app/kustomize/kustomization.yaml", "cycle"},
		"no kustomization":      {kustomizeWith(nil), "packs/app/kustomize", "holds no kustomization.yaml"},
		"costly expression":     {manifestsWith(map[string]string{"a.yaml": head + "  a: '${" + costly() + "}'"}), "packs/app/manifests/a.yaml:5:6", "makes it simpler|make it simpler"},
		"growing expression":    {manifestsWith(map[string]string{"a.yaml": head + "  a: '${" + growing() + "}'"}), "packs/app/manifests/a.yaml:5:6", ""},
		"long expression":       {manifestsWith(map[string]string{"a.yaml": head + "  a: '${" + strings.Repeat("1+", 5000) + "1}'"}), "packs/app/manifests/a.yaml:5:6", "limit"},
		"deep expression":       {manifestsWith(map[string]string{"a.yaml": head + "  a: '${" + strings.Repeat("[", 1500) + strings.Repeat("]", 1500) + "}'"}), "packs/app/manifests/a.yaml:5:6", ""},
		"link in a pack":        {link(manifestsWith(nil), "packs/app/manifests/link.yaml"), "packs/app/manifests/link.yaml", "is a symbolic link"},
		"hidden link in a pack": {link(manifestsWith(nil), "packs/app/manifests/.link.yaml"), "packs/app/manifests/.link.yaml", "is a symbolic link"},
		"huge file":             {manifestsWith(map[string]string{"a.bin": strings.Repeat("a", 5<<20)}), "packs/app/manifests/a.bin", "more than the"},
		"many files":            {manyFiles(), "packs/app/manifests", "holds more than"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := renderer.Render(ctx, input(c.source))
			var problems schemas.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("not refused as a problem of the source: %v", err)
			}
			found := problems[0]
			if !strings.HasPrefix(found.Position.String(), c.file) || !containsAny(found.Message, strings.Split(c.want, "|")) {
				t.Errorf("got %v\nwant %s … %s", err, c.file, c.want)
			}
			if len(found.Message) > 1000 {
				t.Errorf("the message is %d bytes long", len(found.Message))
			}
		})
	}
}

func containsAny(s string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}

func yamlBomb() string {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nx0: &x0 [a, a, a, a, a, a, a, a, a]\n")
	for i := 1; i < 9; i++ {
		fmt.Fprintf(&b, "x%d: &x%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*x%d, ", i-1), 9), ", "))
	}
	return b.String()
}

func costly() string {
	expression := "1"
	for range 6 {
		expression = "[1,2,3,4,5,6,7,8,9,0].map(x, " + expression + ").size()"
	}
	return expression
}

func growing() string {
	return `[1,2,3,4,5,6,7,8,9,0].map(x, [1,2,3,4,5,6,7,8,9,0].map(y, [1,2,3,4,5,6,7,8,9,0].map(z, "` + strings.Repeat("a", 2000) + `"))).map(x, x.map(y, y.join(""))).map(x, x.join("")).join("")`
}

func link(source fstest.MapFS, name string) fstest.MapFS {
	source[name] = &fstest.MapFile{Data: []byte("/etc/passwd"), Mode: fs.ModeSymlink}
	return source
}

func manyFiles() fstest.MapFS {
	source := manifestsWith(nil)
	for i := range 5001 {
		source[fmt.Sprintf("packs/app/manifests/%d.txt", i)] = text("")
	}
	return source
}

// A rendering that is given up returns at once, whatever a template does.
func TestGivingUp(t *testing.T) {
	t.Parallel()
	source := chartWith(map[string]string{"templates/a.yaml": `{{ $l := until 9999 }}{{ range $l }}{{ range $l }}{{ end }}{{ end }}`})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var problems schemas.Problems
	if _, err := renderer.Render(ctx, input(source)); !errors.Is(err, context.Canceled) || errors.As(err, &problems) {
		t.Errorf("got %v", err)
	}
}

// TestObjectsThatCannotBeApplied covers what is wrong with rendered objects.
func TestObjectsThatCannotBeApplied(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ manifest, want string }{
		"no name":           {`{apiVersion: v1, kind: Secret, metadata: {}}`, "has no metadata.name"},
		"no metadata":       {`{apiVersion: v1, kind: Secret}`, "has no metadata.name"},
		"no kind":           {`{apiVersion: v1, metadata: {name: a}}`, "has no kind"},
		"no version":        {`{kind: Secret, metadata: {name: a}}`, "has no apiVersion"},
		"generated name":    {`{apiVersion: v1, kind: Secret, metadata: {generateName: a}}`, "generateName"},
		"slash in name":     {`{apiVersion: v1, kind: Secret, metadata: {name: ../a}}`, "character in its name"},
		"number as label":   {`{apiVersion: v1, kind: Secret, metadata: {name: a, labels: {a: 1}}}`, "quote it"},
		"control character": {`{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {a: "\x7f"}}`, "cannot be written: control characters are not allowed"},
		"twice":             {`{apiVersion: v1, kind: ConfigMap, metadata: {name: cm, namespace: default}}`, "is rendered twice"},
		"agent's namespace": {`{apiVersion: v1, kind: Secret, metadata: {name: a, namespace: branchline-system}}`, "Secret branchline-system/a is in the namespace branchline-system, which is the agent's own; put it into another"},
		"agent's own":       {`{apiVersion: v1, kind: Namespace, metadata: {name: branchline-system}}`, "the namespace branchline-system is the agent's own; remove the object"},
		"not an object":     {`[1]`, "not a Kubernetes object"},
		"list of no object": {`{apiVersion: v1, kind: List, items: [1]}`, "items[0]"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := renderer.Render(t.Context(), input(manifestsWith(map[string]string{"x.yaml": c.manifest})))
			if err == nil || !strings.HasPrefix(err.Error(), "packs/app/manifests/x.yaml:1:1: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestBadLayers covers what is wrong between the layers and profiles of a
// cluster.
func TestBadLayers(t *testing.T) {
	t.Parallel()
	profile := func(layers string) fstest.MapFS {
		source := maps.Clone(repository())
		delete(source, "clusters/two.yaml")
		source["packs/k8s/pack.yaml"] = text(`{apiVersion: branchline.dev/v1alpha1, kind: Pack, metadata: {name: k8s}, spec: {version: "1.35.4", kind: kubernetes}}`)
		source["profiles/p.yaml"] = text("apiVersion: branchline.dev/v1alpha1\nkind: ClusterProfile\nmetadata: {name: p}\nspec:\n  version: \"1\"\n  variables: [{name: text, type: string}]\n  layers:\n" + layers)
		return source
	}
	app := func(name, more string) string {
		return `  - {name: ` + name + `, namespace: ` + name + `, pack: {name: app, version: "1"}, values: {text: x}` + more + "}\n"
	}
	cases := map[string]struct {
		source fstest.MapFS
		want   string
	}{
		"cycle":               {profile(app("a", ", dependsOn: [b]") + app("b", ", dependsOn: [a]")), "profiles/p.yaml:8:92: spec.layers[0].dependsOn: the layers wait for each other: a -> b -> a"},
		"itself":              {profile(app("a", ", dependsOn: [a]")), "depends on itself"},
		"unknown dependency":  {profile(app("first", ", dependsOn: [frist]")), `there is no layer "frist", did you mean "first"? (rendering one)`},
		"agent's namespace":   {profile(strings.ReplaceAll(app("a", ""), "namespace: a", "namespace: branchline-system")), "profiles/p.yaml:8:26: spec.layers[0].namespace: the namespace branchline-system is the agent's own; use another"},
		"two distributions":   {profile(`  - {name: k, kind: kubernetes, pack: {name: k8s, version: "1.35.4"}}` + "\n" + `  - {name: l, kind: kubernetes, pack: {name: k8s, version: "1.35.4"}}` + "\n"), "both of kind kubernetes"},
		"object in two layer": {profile(app("a", "") + strings.ReplaceAll(app("b", ""), "namespace: b", "namespace: a")), `the ConfigMap a/cm is in two layers, "b" and "a"`},
		"patch matches none":  {profile(app("a", `, patches: [{target: {kind: Secret}, patch: "[{op: remove, path: /data}]"}]`)), "the patch matches no object of the layer; it has ConfigMap cm"},
		"patch into agent's":  {profile(app("a", `, patches: [{target: {kind: ConfigMap}, patch: "[{op: replace, path: /metadata/namespace, value: branchline-system}]"}]`)), "the ConfigMap branchline-system/cm is in the namespace branchline-system"},
		"patch fails":         {profile(app("a", `, patches: [{target: {kind: ConfigMap}, patch: "[{op: remove, path: /nosuch}]"}]`)), "cannot be applied"},
		"patch takes name":    {profile(app("a", `, patches: [{target: {kind: ConfigMap}, patch: "[{op: remove, path: /metadata/name}]"}]`)), "profiles/p.yaml:8:90: a rendered ConfigMap has no metadata.name"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := renderer.Render(t.Context(), input(c.source))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}
