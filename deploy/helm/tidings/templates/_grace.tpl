{{/* Times of leaving, computed from the configuration. All in seconds unless the name says ms. */}}

{{/* How long a leaving gateway takes to redirect its sockets: what the other gateways can take in. */}}
{{- define "tidings.gateway.windowMs" -}}
{{- $g := .Values.gateway -}}
{{- if gt (int $g.drain.windowMs) 0 -}}
{{ int $g.drain.windowMs }}
{{- else -}}
{{- $replicas := ternary (int $g.autoscaling.min) (int $g.replicas) $g.autoscaling.enabled -}}
{{- $others := max 1 (sub $replicas 1) -}}
{{- $each := mul $others (int $g.drain.handshakesPerSecond) -}}
{{- $seconds := div (add (int $g.connections) (sub $each 1)) $each -}}
{{ mul 1000 (max 5 $seconds) }}
{{- end -}}
{{- end -}}

{{- define "tidings.gateway.stopGraceMs" -}}
{{- $d := .Values.gateway.drain -}}
{{ add (int (include "tidings.gateway.windowMs" .)) (int $d.lingerMs) (int $d.answerTimeoutMs) 2000 }}
{{- end -}}

{{/* (dict "what" NAME "given" SECONDS "preStop" SECONDS "stopGraceMs" MS "after" SECONDS) */}}
{{- define "tidings.grace" -}}
{{- $stop := div (add (int .stopGraceMs) 999) 1000 -}}
{{- $need := add (int .preStop) $stop (int .after) -}}
{{- if eq (int .given) 0 -}}
{{ $need }}
{{- else if lt (int .given) (int $need) -}}
{{- fail (printf "%s.terminationGracePeriodSeconds is %d, but preStop %d s + stop_grace %d s + %d s that the process may need after it is %d s: set it to %d or more, or to 0 to have it computed" .what (int .given) (int .preStop) $stop (int .after) $need $need) -}}
{{- else -}}
{{ int .given }}
{{- end -}}
{{- end -}}

{{/* Sockets at which another gateway is wanted: a percentage of what limit and memory allow. */}}
{{- define "tidings.gateway.connectionsTarget" -}}
{{- $g := .Values.gateway -}}
{{- $mib := include "tidings.mebibytes" $g.resources.limits.memory | int -}}
{{- $byMemory := div (mul $mib 1024) (int $g.socketKiB) -}}
{{- div (mul (min (int $g.connections) $byMemory) (int $g.autoscaling.connectionsPercent)) 100 -}}
{{- end -}}

{{- define "tidings.mebibytes" -}}
{{- if hasSuffix "Gi" . -}}
{{ mul 1024 (trimSuffix "Gi" . | int) }}
{{- else if hasSuffix "Mi" . -}}
{{ trimSuffix "Mi" . | int }}
{{- else -}}
{{- fail (printf "gateway.resources.limits.memory is %q: give it in whole Mi or Gi" .) -}}
{{- end -}}
{{- end -}}
