package renderer

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"helm.sh/helm/v4/pkg/chart/common"
	commonutil "helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
)

// TestSameAsHelm renders charts with Helm's own engine and with ours.
func TestSameAsHelm(t *testing.T) {
	t.Parallel()
	quickstart := readDir(t, "../examples/quickstart/packs/web/chart")
	defaults, err := os.ReadFile("../examples/quickstart/packs/web/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	quickstart["values.yaml"] = defaults
	charts := map[string]map[string][]byte{
		"quickstart": quickstart,
		"features":   readArchive(t, "testdata/helm/features.txtar", ""),
		"large":      largeChart(20),
	}
	for name, files := range charts {
		t.Run(name, func(t *testing.T) {
			want, err := engine.Engine{}.RenderWithContext(t.Context(), loadChart(t, files), renderValues(t, files))
			if err != nil {
				t.Fatal(err)
			}
			budget := &templateBudget{left: maxTemplateWork, ctx: t.Context()}
			got, err := renderTemplates(budget, loadChart(t, files), renderValues(t, files))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-helm +ours:\n%s", diff)
			}
		})
	}
}

func readDir(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files, problem := readFolder(os.DirFS(filepath.Dir(dir)), filepath.Base(dir))
	if problem != nil {
		t.Fatal(problem)
	}
	return files
}

func readArchive(t *testing.T, file, prefix string) map[string][]byte {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range archive.Files {
		if name, ok := strings.CutPrefix(f.Name, prefix); ok {
			files[name] = f.Data
		}
	}
	return files
}

func loadChart(t testing.TB, files map[string][]byte) *chart.Chart {
	t.Helper()
	var list []*archive.BufferedFile
	for name, data := range files {
		list = append(list, &archive.BufferedFile{Name: name, Data: data})
	}
	c, err := loader.LoadFiles(list)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func renderValues(t testing.TB, files map[string][]byte) common.Values {
	t.Helper()
	capabilities, err := capabilitiesOf("")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{"replicaCount": int64(2), "host": "h", "message": "m", "logLevel": "info", "image": "i", "port": int64(8080)}
	release := common.ReleaseOptions{Name: "web", Namespace: "shop", Revision: 1, IsInstall: true}
	top, err := commonutil.ToRenderValuesWithSchemaValidation(loadChart(t, files), values, release, capabilities, true)
	if err != nil {
		t.Fatal(err)
	}
	return top
}

// largeChart has templates of the usual kind.
func largeChart(templates int) map[string][]byte {
	files := map[string][]byte{
		"Chart.yaml":  []byte("apiVersion: v2\nname: large\nversion: 1.0.0\n"),
		"values.yaml": []byte("port: 80\nlabels: {team: a, tier: b}\nresources: {requests: {cpu: 100m, memory: 64Mi}}\nenv: {A: \"1\", B: \"2\", C: \"3\"}\n"),
		"templates/_helpers.tpl": []byte(`{{- define "large.name" -}}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{- end }}
{{- define "large.labels" -}}
app.kubernetes.io/name: {{ include "large.name" . }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}
`),
	}
	for i := range templates {
		name := "templates/" + string(rune('a'+i)) + ".yaml"
		files[name] = []byte(strings.ReplaceAll(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "large.name" . }}-INDEX
  labels: {{- include "large.labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicaCount | default 1 }}
  selector:
    matchLabels: {app: INDEX}
  template:
    metadata:
      labels: {app: INDEX}
      annotations:
        checksum/config: {{ .Values | toJson | sha256sum }}
    spec:
      containers:
      - name: main
        image: "{{ .Values.image | default "nginx" }}:{{ .Chart.Version }}"
        ports: [{containerPort: {{ .Values.port }}}]
        resources: {{- toYaml .Values.resources | nindent 10 }}
        env:
        {{- range $key, $value := .Values.env }}
        - {name: {{ $key }}, value: {{ $value | quote }}}
        {{- end }}
        {{- if and .Values.host (ne .Values.host "none") }}
        - {name: HOST, value: {{ tpl "{{ .Values.host }}.{{ .Release.Namespace }}" . }}}
        {{- end }}
`, "INDEX", string(rune('a'+i))))
	}
	return files
}

// BenchmarkChart renders a chart of 20 templates, with Helm's own engine for
// comparison.
func BenchmarkChart(b *testing.B) {
	files := largeChart(20)
	values := renderValues(b, files)
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			budget := &templateBudget{left: maxTemplateWork, ctx: context.Background()}
			if _, err := renderTemplates(budget, loadChart(b, files), values); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("helm", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := (engine.Engine{}).RenderWithContext(context.Background(), loadChart(b, files), values); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// FuzzWithSteps checks that the calls that are put into a template change
// nothing of what it prints.
func FuzzWithSteps(f *testing.F) {
	for _, seed := range []string{
		"a {{ range .list -}}\n x {{ . }}\n{{- end }} b",
		"{{ define \"n\" }} in {{ end }}{{ template \"n\" }}{{ block \"m\" . }} y {{ end }}",
		"{{ range .list }}{{/* comment */}} {{ break }}{{ else }} none {{ end }}",
		"{{- with .list -}} {{ range $i, $e := . }}{{ $i }}{{ \"}}\" }}{{ end }}{{ end -}}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "template") || len(text) > 1000 {
			return // templates can call themselves for a long time
		}
		run := func(text string) (string, error) {
			budget := &templateBudget{left: 1 << 20, ctx: t.Context()}
			e := &chartEngine{budget: budget, functions: pureFunctions(budget), includes: map[string]int{}}
			set, err := newTemplateSet(e).New("fuzz").Parse(text)
			if err != nil {
				return "", err
			}
			return e.execute(set, "fuzz", map[string]any{"list": []any{1, 2}})
		}
		want, err := run(text)
		if err != nil {
			return
		}
		if got, err := run(withSteps("fuzz", text)); err != nil || got != want {
			t.Errorf("%q became %q (%v), without the calls %q", text, got, err, want)
		}
	})
}
