{{/* The webhook that is asked before a ConfigMap with policies is stored. Everything of it stands in this folder. */}}

{{- define "tollgate.webhook.name" -}}
{{- printf "%s-webhook" (include "tollgate.fullname" .) -}}
{{- end }}

{{/* For what belongs to the whole cluster: two releases of one name in two namespaces do not take it from each other. */}}
{{- define "tollgate.webhook.clusterName" -}}
{{- printf "%s-%s" (include "tollgate.webhook.name" .) .Release.Namespace | trunc 253 | trimSuffix "-" -}}
{{- end }}

{{/* Labels by which its pods are selected, and no others of the release. */}}
{{- define "tollgate.webhook.selectorLabels" -}}
{{ include "tollgate.selectorLabels" . }}
app.kubernetes.io/component: webhook
{{- end }}

{{- define "tollgate.webhook.labels" -}}
{{ include "tollgate.labels" . }}
app.kubernetes.io/component: webhook
{{- end }}

{{- define "tollgate.webhook.tlsSecret" -}}
{{- if eq .Values.webhook.tls.mode "certManager" -}}
{{- printf "%s-tls" (include "tollgate.webhook.name" .) -}}
{{- else -}}
{{- .Values.webhook.tls.existingSecret -}}
{{- end -}}
{{- end }}

{{/* `null`, and a selector without labels, would select every ConfigMap of the cluster, the control plane's too. */}}
{{- define "tollgate.webhook.objectSelector" -}}
{{- $selector := .Values.webhook.objectSelector | default dict -}}
{{- if not (or $selector.matchLabels $selector.matchExpressions) -}}
{{- fail "webhook.objectSelector is empty, and would stand for every ConfigMap of the cluster: give it matchLabels or matchExpressions, or leave it out." -}}
{{- end -}}
{{- toYaml $selector -}}
{{- end }}

{{/* Combinations that would install and not work. */}}
{{- define "tollgate.webhook.check" -}}
{{- $tls := .Values.webhook.tls -}}
{{- if eq $tls.mode "existingSecret" -}}
{{- if not $tls.existingSecret -}}
{{- fail "webhook.tls.mode is existingSecret and webhook.tls.existingSecret is empty: the API server asks over TLS only. Name a Secret of the type kubernetes.io/tls, or set the mode to certManager." -}}
{{- end -}}
{{- if not $tls.caBundle -}}
{{- fail "webhook.tls.caBundle is empty: the API server would trust no certificate of the webhook. Put the PEM of the authority there (--set-file webhook.tls.caBundle=ca.crt), or set webhook.tls.mode to certManager, which fills it in." -}}
{{- end -}}
{{- if not (contains "-----BEGIN CERTIFICATE-----" $tls.caBundle) -}}
{{- fail "webhook.tls.caBundle is no PEM: it begins with -----BEGIN CERTIFICATE-----, and is not encoded again." -}}
{{- end -}}
{{- else if or $tls.existingSecret $tls.caBundle -}}
{{- fail "webhook.tls.existingSecret and webhook.tls.caBundle are for the mode existingSecret: with certManager they would say nothing. Empty them, or change webhook.tls.mode." -}}
{{- end -}}
{{- if and (eq .Values.webhook.failurePolicy "Fail") (lt (int64 .Values.webhook.replicas) 2) -}}
{{- fail "webhook.failurePolicy is Fail and webhook.replicas is below 2: nobody could mend policies while the one pod is moved. Set webhook.replicas to 2, or webhook.failurePolicy to Ignore; pods check what they read in any case." -}}
{{- end -}}
{{- end }}
