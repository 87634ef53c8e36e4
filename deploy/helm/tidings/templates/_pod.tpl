{{/* What the pods of all parts have alike. */}}

{{- define "tidings.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "tidings.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* /health/serve is about this process alone: a broker that goes away empties no Service. */}}
{{- define "tidings.probes" -}}
startupProbe:
  httpGet: { path: /health/live, port: management }
  {{- toYaml .Values.probes.startup | nindent 2 }}
livenessProbe:
  httpGet: { path: /health/live, port: management }
  {{- toYaml .Values.probes.liveness | nindent 2 }}
readinessProbe:
  httpGet: { path: /health/serve, port: management }
  {{- toYaml .Values.probes.readiness | nindent 2 }}
{{- end -}}

{{/* (dict "own" MAP "given" MAP "what" NAME): one list, each key once; given wins, except for times that are computed. */}}
{{- define "tidings.env" -}}
{{- $what := .what -}}
{{- range $key := list "STOP_GRACE_MS" "LIMITS__CONNECTIONS" "LIMITS__DRAIN_WINDOW_MS" "LIMITS__DRAIN_LINGER_MS" "LIMITS__ANSWER_TIMEOUT_MS" "AMQP__PARTITIONS" -}}
{{- range $given, $_ := $.given -}}
{{- if hasSuffix (printf "__%s" $key) $given -}}
{{- fail (printf "%s.env sets %s, from which the chart computes other values: use the chart's own value for it" $what $given) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $all := merge (dict) .given .own -}}
{{- range $key := keys $all | sortAlpha }}
- name: {{ $key }}
  value: {{ get $all $key | toString | quote }}
{{- end }}
{{- end -}}

{{- define "tidings.authEnv" -}}
{{- $auth := .root.Values.auth -}}
{{- $env := dict -}}
{{- $file := printf "/etc/tidings/secrets/%s" $auth.key -}}
{{- if eq $auth.kind "hs256" -}}{{- $_ := set $env "AUTH__HS256_SECRET_FILE" $file -}}{{- end -}}
{{- if eq $auth.kind "public_key" -}}{{- $_ := set $env "AUTH__PUBLIC_KEY_FILE" $file -}}{{- end -}}
{{- if eq $auth.kind "jwks" -}}{{- $_ := set $env "AUTH__JWKS_FILE" $file -}}{{- end -}}
{{- with $auth.issuer -}}{{- $_ := set $env "AUTH__ISSUER" . -}}{{- end -}}
{{- with $auth.audience -}}{{- $_ := set $env "AUTH__AUDIENCE" . -}}{{- end -}}
{{- $_ := set $env "AUTH__DEV_TOKENS" (toString $auth.devTokens) -}}
{{- with .root.Values.allowedOrigins -}}{{- $_ := set $env "ALLOWED_ORIGINS" (toJson .) -}}{{- end -}}
{{- with .root.Values.trustedProxies -}}{{- $_ := set $env "ADMISSION__TRUSTED_PROXIES" (toJson .) -}}{{- end -}}
{{- range $key, $value := $env }}
{{ $.prefix }}{{ $key }}: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "tidings.telemetryEnv" -}}
{{ .prefix }}TELEMETRY__LOG_FORMAT: {{ .root.Values.telemetry.logFormat | quote }}
{{ .prefix }}TELEMETRY__LOG_FILTER: {{ .root.Values.telemetry.logFilter | quote }}
{{- with .root.Values.telemetry.otlpEndpoint }}
{{ $.prefix }}TELEMETRY__OTLP_ENDPOINT: {{ . | quote }}
{{ $.prefix }}TELEMETRY__SAMPLE_RATIO: {{ $.root.Values.telemetry.sampleRatio | quote }}
{{- end }}
{{- with .root.Values.monitor.urlKey }}
{{ $.prefix }}MONITOR__URL_FILE: /etc/tidings/secrets/{{ . }}
{{- end }}
{{- end -}}

{{- define "tidings.amqpEnv" -}}
{{ .prefix }}AMQP__URL_FILE: /etc/tidings/secrets/amqp-url
{{- if and .root.Values.secrets.caKey (has "amqp" .root.Values.secrets.caFor) }}
{{ .prefix }}AMQP__CA_FILE: /etc/tidings/secrets/{{ .root.Values.secrets.caKey }}
{{- end }}
{{ .prefix }}AMQP__PREFIX: {{ .root.Values.amqp.prefix | quote }}
{{ .prefix }}AMQP__PARTITIONS: {{ .root.Values.amqp.partitions | quote }}
{{ .prefix }}AMQP__QUEUE_TYPE: {{ .root.Values.amqp.queueType | quote }}
{{- end -}}

{{/* (dict "root" $ "prefix" PREFIX "calls" (list "chat" "presence") "serves" BOOL): addresses of others, and TLS. */}}
{{- define "tidings.grpcEnv" -}}
{{- $tls := .root.Values.grpcTls.enabled -}}
{{- $ports := dict "chat" 7001 "presence" 7002 -}}
{{- range $part := .calls }}
{{ $.prefix }}{{ upper $part }}_GRPC__URLS: {{ list (printf "%s://%s:%d" (ternary "https" "http" $tls) (include "tidings.name" (dict "root" $.root "part" $part)) (get $ports $part)) | toJson | quote }}
{{- if $tls }}
{{ $.prefix }}{{ upper $part }}_GRPC__CA_FILE: /etc/tidings/grpc/ca.crt
{{ $.prefix }}{{ upper $part }}_GRPC__CERT_FILE: /etc/tidings/grpc/tls.crt
{{ $.prefix }}{{ upper $part }}_GRPC__KEY_FILE: /etc/tidings/grpc/tls.key
{{- end }}
{{- end }}
{{- if and $tls .serves }}
{{ .prefix }}GRPC_TLS__CERT_FILE: /etc/tidings/grpc/tls.crt
{{ .prefix }}GRPC_TLS__KEY_FILE: /etc/tidings/grpc/tls.key
{{ .prefix }}GRPC_TLS__CLIENT_CA_FILE: /etc/tidings/grpc/ca.crt
{{- end }}
{{- end -}}

{{- define "tidings.secretMounts" -}}
- { name: secrets, mountPath: /etc/tidings/secrets, readOnly: true }
{{- if .Values.grpcTls.enabled }}
- { name: grpc, mountPath: /etc/tidings/grpc, readOnly: true }
{{- end }}
{{- end -}}

{{/* (dict "root" $ "keys" LIST): only what this part needs. Files of a Secret are replaced in place when it changes. */}}
{{- define "tidings.secretVolume" -}}
- name: secrets
  secret:
    secretName: {{ .root.Values.secrets.existingSecret }}
    defaultMode: 0440
    items:
      {{- range compact (concat .keys (list .root.Values.secrets.caKey .root.Values.monitor.urlKey)) }}
      - { key: {{ . }}, path: {{ . }} }
      {{- end }}
{{- if .root.Values.grpcTls.enabled }}
- name: grpc
  secret:
    secretName: {{ .root.Values.grpcTls.existingSecret }}
    defaultMode: 0440
    items:
      {{- range list "tls.crt" "tls.key" "ca.crt" }}
      - { key: {{ . }}, path: {{ . }} }
      {{- end }}
{{- end }}
{{- end -}}

{{- define "tidings.placement" -}}
topologySpreadConstraints:
  {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "tidings.selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end -}}

{{/* (dict "root" $ "values" VALUES_OF_THE_PART) */}}
{{- define "tidings.podCommon" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "tidings.podSecurity" .root | nindent 2 }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
