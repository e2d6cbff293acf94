{{/* Labels that select the pods; they must never change. */}}
{{- define "web.selector" -}}
app.kubernetes.io/name: web
{{- end }}

{{/* Labels of every object. */}}
{{- define "web.labels" -}}
{{ include "web.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: {{ .Chart.Name }}
{{- end }}
