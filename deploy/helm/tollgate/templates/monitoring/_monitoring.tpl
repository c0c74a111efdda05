{{/*
Whether an object of a kind that not every cluster knows is rendered: "true" or nothing. Takes the root, the section of values with
`enabled` and `renderMode`, the section's name, and what the cluster must know.
*/}}
{{- define "tollgate.monitoring.renders" -}}
{{- if .section.enabled -}}
{{- $known := .root.Capabilities.APIVersions.Has .needs -}}
{{- if and (eq .section.renderMode "failIfMissing") (not $known) -}}
{{- $said := "%s.enabled is true, and the cluster does not know %s: install what brings it, or set %s.renderMode to skipIfMissing" -}}
{{- fail (printf $said .name .needs .name) -}}
{{- end -}}
{{- if or $known (ne .section.renderMode "skipIfMissing") -}}true{{- end -}}
{{- end -}}
{{- end }}

{{/* What a monitor scrapes. `job` is the name of what is scraped, whoever scrapes, so that alerts and dashboard find it. */}}
{{- define "tollgate.monitoring.endpoint" -}}
port: http-metrics
path: /metrics
{{- with .section.interval }}
interval: {{ . }}
{{- end }}
{{- with .section.scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
relabelings:
  - action: replace
    targetLabel: job
    replacement: {{ .job | quote }}
  {{- with .section.relabelings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .section.metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Name, namespace and labels of a monitoring object, which is called like what it watches. */}}
{{- define "tollgate.monitoring.metadata" -}}
name: {{ .job }}
namespace: {{ default .root.Release.Namespace .section.namespace }}
labels:
  {{- toYaml (merge (dict) (.section.additionalLabels | default dict) (fromYaml (include "tollgate.labels" .root))) | nindent 2 }}
{{- end }}

{{/* The matchers of our series in alerts. */}}
{{- define "tollgate.monitoring.selector" -}}
{{- if .Values.monitoring.prometheusRule.selector -}}
{{- .Values.monitoring.prometheusRule.selector -}}
{{- else if eq (.Values.kind | default "") "sidecar" -}}
job={{ include "tollgate.fullname" . | quote }}
{{- else -}}
job={{ include "tollgate.fullname" . | quote }},namespace={{ .Release.Namespace | quote }}
{{- end -}}
{{- end }}

{{/* The same, of the gate and of the webhook. */}}
{{- define "tollgate.monitoring.selectorOfBoth" -}}
{{- if and .Values.webhook.enabled (not .Values.monitoring.prometheusRule.selector) -}}
{{- $job := include "tollgate.fullname" . -}}
{{- include "tollgate.monitoring.selector" . | replace (printf "job=%q" $job) (printf "job=~%q" (printf "%s|%s" $job (include "tollgate.webhook.name" .))) -}}
{{- else -}}
{{- include "tollgate.monitoring.selector" . -}}
{{- end -}}
{{- end }}

{{/*
The alerts as a file of Prometheus' rules. rules/tollgate.yaml has a word in angle brackets where a value goes; Prometheus' own templates in
curly braces stay as they are.
*/}}
{{- define "tollgate.monitoring.rules" -}}
{{- $rule := .Values.monitoring.prometheusRule -}}
{{- $text := .Files.Get "rules/tollgate.yaml" -}}
{{- $words := dict
  "tollgate" (include "tollgate.monitoring.selector" .)
  "both" (include "tollgate.monitoring.selectorOfBoth" .)
  "by" (join ", " $rule.by)
  "page" $rule.severity.page
  "ticket" $rule.severity.ticket
  "envoy" ($rule.envoy.selector | default "")
  "envoyBy" (join ", " $rule.envoy.by)
-}}
{{- range $word, $value := merge $words $rule.thresholds -}}
{{- $text = replace (printf "<%s>" $word) (toString $value) $text -}}
{{- end -}}
{{- $left := regexFind "<[a-zA-Z]+>" $text -}}
{{- if $left -}}
{{- fail (printf "rules/tollgate.yaml has %s, which nothing fills: this is a fault of the chart" $left) -}}
{{- end -}}
groups:
{{- range $group := (fromYaml $text).groups }}
{{- $rules := list }}
{{- range $one := $group.rules }}
{{- if not (has $one.alert $rule.disabled) }}
{{- $labels := merge (dict) $one.labels ($rule.alertLabels | default dict) }}
{{- $page := printf "%s/%s.md" (trimSuffix "/" $rule.runbookBaseUrl) $one.alert }}
{{- $annotations := merge (dict "runbook_url" $page) $one.annotations }}
{{- $rules = append $rules (merge (dict "labels" $labels "annotations" $annotations) $one) }}
{{- end }}
{{- end }}
{{- if $rules }}
{{- toYaml (list (merge (dict "rules" $rules) $group)) | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}
