package main

import (
	"fmt"
	"strings"
)

const (
	fleetLayers    = 12
	ownLayers      = 2 // of them use a value of the cluster
	chartTemplates = 20
)

// tenantFiles is the source of a tenant whose clusters all run one profile. level
// is a value of one of its layers, the change that is rendered.
func tenantFiles(clusters int, level string) map[string][]byte {
	files := map[string][]byte{
		"tenant.yaml":         []byte("apiVersion: branchline.dev/v1alpha1\nkind: Tenant\nmetadata: {name: " + tenant + "}\n"),
		"profiles/fleet.yaml": []byte(profileText(level)),
	}
	for i := range clusters {
		name := clusterName(i)
		files["clusters/"+name+".yaml"] = fmt.Appendf(nil, "apiVersion: branchline.dev/v1alpha1\nkind: Cluster\nmetadata: {name: %s}\n"+
			"spec:\n  cloud: {type: local}\n  nodePools: [{name: workers, count: 3}]\n  profiles: [{name: fleet, version: 1.0.0}]\n", name)
	}
	for layer := range fleetLayers {
		addPack(files, layerName(layer))
	}
	return files
}

func layerName(i int) string { return fmt.Sprintf("layer-%02d", i) }

func profileText(level string) string {
	var text strings.Builder
	text.WriteString("apiVersion: branchline.dev/v1alpha1\nkind: ClusterProfile\nmetadata: {name: fleet}\nspec:\n  version: 1.0.0\n  layers:\n")
	for i := range fleetLayers {
		name := layerName(i)
		fmt.Fprintf(&text, "  - name: %s\n    namespace: %s\n    pack: {name: %s, version: 1.0.0}\n", name, name, name)
		switch {
		case i < ownLayers:
			text.WriteString("    values: {owner: \"${cluster.name}\"}\n")
		case i == fleetLayers-1:
			fmt.Fprintf(&text, "    values: {level: %q}\n", level)
		}
	}
	return text.String()
}

// addPack adds a Helm chart of chartTemplates templates with what templates
// usually do: a helper, a loop, values and functions.
func addPack(files map[string][]byte, name string) {
	dir := "packs/" + name + "/"
	files[dir+"pack.yaml"] = []byte("apiVersion: branchline.dev/v1alpha1\nkind: Pack\nmetadata: {name: " + name + "}\nspec: {version: 1.0.0}\n")
	files[dir+"chart/Chart.yaml"] = []byte("apiVersion: v2\nname: " + name + "\nversion: 1.0.0\n")
	files[dir+"chart/values.yaml"] = []byte("owner: nobody\nlevel: info\nports: [8080, 8081, 8082, 8083]\n")
	files[dir+"chart/templates/_labels.tpl"] = []byte(`{{- define "labels" -}}
app.kubernetes.io/name: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.Version | quote }}
example.com/owner: {{ .Values.owner | quote }}
{{- end -}}
`)
	for i := range chartTemplates {
		files[fmt.Sprintf("%schart/templates/settings-%02d.yaml", dir, i)] = fmt.Appendf(nil, `apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name | trunc 40 }}-%02d
  labels: {{- include "labels" . | nindent 4 }}
data:
  level: {{ .Values.level | upper | quote }}
  {{- range $i, $port := .Values.ports }}
  port-{{ $i }}: {{ printf "%%d" (int $port) | quote }}
  {{- end }}
  text: |
%s`, i, indented(fileText("setting", 800)))
	}
}

func indented(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
}
