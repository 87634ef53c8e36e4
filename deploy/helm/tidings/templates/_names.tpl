{{/* Names and labels. Every template below takes (dict "root" $ "part" "gateway"). */}}
{{- define "tidings.base" -}}
{{- if contains "tidings" .Release.Name -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{- else -}}{{ printf "%s-tidings" .Release.Name | trunc 40 | trimSuffix "-" }}{{- end -}}
{{- end -}}

{{- define "tidings.name" -}}
{{ include "tidings.base" .root }}-{{ .part }}
{{- end -}}

{{- define "tidings.selector" -}}
app.kubernetes.io/name: tidings
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "tidings.labels" -}}
{{ include "tidings.selector" . }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: tidings
{{- end -}}

{{- define "tidings.image" -}}
{{ .root.Values.image.registry }}/{{ .binary }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end -}}
