{{/* The settings that `tollgate serve --config` reads. They are read once, so a change of them is a rollout. */}}

{{/* The file with the authorities that Envoy must have a certificate of; empty where none is asked for. */}}
{{- define "tollgate.clientCA" -}}
{{- with .Values.tls.clientCA -}}
{{- if .fromServerSecret -}}
/etc/tollgate/tls/ca.crt
{{- else if or .secret.name .configMap.name -}}
/etc/tollgate/client-ca/ca.crt
{{- end -}}
{{- end -}}
{{- end }}

{{/* Three quarters of the emptyDir: above its limit Kubernetes evicts the pod, and in the form sidecar the app with it. */}}
{{- define "tollgate.ledgerBound" -}}
{{- $limit := toString .Values.ledger.emptyDirSizeLimit -}}
{{- $mebibytes := regexFind "^[0-9]+" $limit | int -}}
{{- if hasSuffix "Gi" $limit }}{{ $mebibytes = mul $mebibytes 1024 }}{{ end -}}
{{- printf "%dMiB" (div (mul $mebibytes 3) 4) -}}
{{- end }}

{{- define "tollgate.bootstrap" -}}
{{- $at := .Values.bindAddress -}}
# Made by the Helm chart from `config` and what else it was given.
policies: /etc/tollgate/policies
{{- if eq .Values.kind "sidecar" }}
listen: ["unix:/run/tollgate/tollgate.sock"]
{{- else }}
listen: [{{ printf "%s:%d" $at (int .Values.ports.check) | quote }}]
{{- end }}
health: {{ printf "%s:%d" $at (int .Values.ports.health) | quote }}
metrics: {{ printf "%s:%d" $at (int .Values.ports.metrics) | quote }}
ledger: /var/lib/tollgate/ledger
{{- if and (ne .Values.kind "statefulset") (not (.Values.config).ledgerMaxBytes) }}
ledgerMaxBytes: {{ include "tollgate.ledgerBound" . }}
{{- end }}
{{- if .Values.pseudonymKey.existingSecret.name }}
pseudonymKey: /etc/tollgate/keys/pseudonyms
{{- end }}
{{- if include "tollgate.tlsSecret" . }}
tls: /etc/tollgate/tls
{{- with include "tollgate.clientCA" . }}
tlsClientCa: {{ . }}
{{- end }}
{{- with .Values.tls.clientSans }}
tlsClientSan: {{ toJson . }}
{{- end }}
{{- end }}
{{- if and (eq .Values.kind "sidecar") (not (hasKey (.Values.config | default dict) "admin")) }}
# In the pod of an app, loopback is the app's too, and 9901 often Envoy's.
admin: "off"
{{- end }}
{{- if and (eq .Values.kind "sidecar") (not (.Values.config).drainDelay) }}
# Kubernetes ends a sidecar after the app, when nobody asks any more.
drainDelay: {{ include "tollgate.drainDelay" . }}
{{- end }}
{{- range $key, $value := .Values.config }}
{{- if not (kindIs "invalid" $value) }}
{{ $key }}: {{ toJson $value }}
{{- end }}
{{- end }}
{{- end }}

{{/* What a pod carries so that a change of the settings makes it anew. */}}
{{- define "tollgate.configAnnotation" -}}
tollgate.dev/config: {{ include "tollgate.bootstrap" . | sha256sum | quote }}
{{- end }}
