{{/* The chart's name, as labels have it. */}}
{{- define "tollgate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* What everything is called. 52 bytes leave room for what is put behind it, such as `-headless` or a pod's number. */}}
{{- define "tollgate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "tollgate.name" .) .Release.Name -}}
{{- .Release.Name | replace "." "-" | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "tollgate.name" .) | replace "." "-" | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* Labels by which objects of this release are found: they never change while it lives. */}}
{{- define "tollgate.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tollgate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels by which the pods that answer Envoy are selected. The component keeps out other pods of the release, such as the
     webhook's and the test's: a Service that took them in would send checks to them. */}}
{{- define "tollgate.podSelector" -}}
{{ include "tollgate.selectorLabels" . }}
app.kubernetes.io/component: gate
{{- end }}

{{/* Labels of everything. */}}
{{- define "tollgate.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "tollgate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Labels of the pods that answer Envoy. Without the chart's version: a new one alone would restart them. */}}
{{- define "tollgate.podLabels" -}}
{{- $own := include "tollgate.podSelector" . | fromYaml -}}
{{- $own = set $own "app.kubernetes.io/version" .Chart.AppVersion -}}
{{- toYaml (mergeOverwrite (dict) (.Values.commonLabels | default dict) (.Values.podLabels | default dict) $own) -}}
{{- end }}

{{/* The image. The digest wins; a tag beside it is for people to read. */}}
{{- define "tollgate.image" -}}
{{- $image := printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- with .Values.image.digest }}{{ $image = printf "%s@%s" $image . }}{{ end -}}
{{- $image -}}
{{- end }}

{{/* The name of the service account that pods run under. */}}
{{- define "tollgate.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "tollgate.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end }}

{{/* The Secret with the certificate of the port for checks; empty where that port is plain. */}}
{{- define "tollgate.tlsSecret" -}}
{{- if eq .Values.tls.mode "certManager" -}}
{{- printf "%s-tls" (include "tollgate.fullname" .) -}}
{{- else if eq .Values.tls.mode "existingSecret" -}}
{{- .Values.tls.existingSecret -}}
{{- end -}}
{{- end }}

{{/* A time such as `1m 30s`, in milliseconds. The schema has seen to it that it is written so. */}}
{{- define "tollgate.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h)" (toString .) -1 -}}
{{- $sum = add $sum (mul (int64 (regexFind "[0-9]+" .)) (get $units (regexFind "[a-z]+" .))) -}}
{{- end -}}
{{- $sum -}}
{{- end }}

{{/* A size such as `16MiB`, in bytes; numbers come as they are. */}}
{{- define "tollgate.bytes" -}}
{{- if kindIs "string" . -}}
{{- $units := dict "" 1 "KiB" 1024 "MiB" 1048576 "GiB" 1073741824 -}}
{{- mul (int64 (regexFind "[0-9]+" .)) (get $units (regexFind "[A-Za-z]*$" .)) -}}
{{- else -}}
{{- int64 . -}}
{{- end -}}
{{- end }}

{{/* How long a process serves on after it was told to end. A sidecar is told when the app has ended, and nobody asks any more. */}}
{{- define "tollgate.drainDelay" -}}
{{- (.Values.config).drainDelay | default (eq .Values.kind "sidecar" | ternary "0s" "10s") -}}
{{- end }}

{{/* The seconds that the end of the process takes at most: what it was told, and five for the last spans and records. */}}
{{- define "tollgate.endSeconds" -}}
{{- $delay := include "tollgate.milliseconds" (include "tollgate.drainDelay" .) -}}
{{- $timeout := include "tollgate.milliseconds" ((.Values.config).drainTimeout | default "30s") -}}
{{- add 5 (div (add (int64 $delay) (int64 $timeout) 999) 1000) -}}
{{- end }}

{{/* How long the kubelet waits before it kills: longer than the end takes, 60 by default. */}}
{{- define "tollgate.gracePeriod" -}}
{{- .Values.terminationGracePeriodSeconds | default (add 15 (include "tollgate.endSeconds" .)) | int64 -}}
{{- end }}

{{/* How many replicas there are at least. */}}
{{- define "tollgate.minReplicas" -}}
{{- if .Values.autoscaling.enabled }}{{ int64 .Values.autoscaling.minReplicas }}{{ else }}{{ int64 .Values.replicas }}{{ end -}}
{{- end }}
