{{/* Combinations of values that could not work, each refused with a sentence: which value, why, what instead. */}}
{{- define "tollgate.check" -}}
{{- $form := .Values.kind -}}

{{- $own := dict
  "policies" "policies.existingConfigMaps or policies.inline"
  "listen" "bindAddress and ports.check"
  "health" "bindAddress and ports.health"
  "metrics" "bindAddress and ports.metrics"
  "ledger" "ledger.size, or ledger.emptyDirSizeLimit"
  "pseudonymKey" "pseudonymKey.existingSecret"
  "otlpHeader" "otlpHeader.existingSecret"
  "tls" "tls.mode"
  "tlsClientCa" "tls.clientCA"
  "tlsClientSan" "tls.clientSans" -}}
{{- range $key, $instead := $own -}}
{{- if hasKey ($.Values.config | default dict) $key -}}
{{- fail (printf "config.%s is set by the chart itself: use %s instead" $key $instead) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if hasPrefix "TOLLGATE_" .name -}}
{{- fail (printf "extraEnv: %s would override a setting unseen: use config instead, and the value of the chart for what the chart sets" .name) -}}
{{- end -}}
{{- end -}}
{{- range $label, $_ := .Values.commonLabels -}}
{{- if or (hasPrefix "helm.sh/" $label) (has $label (list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/component" "app.kubernetes.io/managed-by")) -}}
{{- fail (printf "commonLabels: %s is set by the chart itself: leave it out, or use nameOverride" $label) -}}
{{- end -}}
{{- end -}}
{{- $ports := values .Values.ports -}}
{{- if ne (len $ports) (len (uniq $ports)) -}}
{{- fail "ports: two of check, metrics and health are the same: each needs a port of its own" -}}
{{- end -}}

{{- if eq .Values.image.tag "latest" -}}
{{- fail "image.tag is latest, which is another image tomorrow: name a version, or image.digest" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (ne $form "deployment") -}}
{{- fail (printf "autoscaling.enabled needs `kind: deployment`, and kind is %s: set kind, or turn autoscaling off and set replicas" $form) -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is above autoscaling.maxReplicas: raise the second, or lower the first" -}}
{{- end -}}
{{- $end := include "tollgate.endSeconds" . | int -}}
{{- if lt (include "tollgate.gracePeriod" . | int) $end -}}
{{- fail (printf "terminationGracePeriodSeconds is %d, and config.drainDelay (%s) and config.drainTimeout (%s) need %d with what is written last: raise it, or leave it out" (int .Values.terminationGracePeriodSeconds) (include "tollgate.drainDelay" .) ((.Values.config).drainTimeout | default "30s") $end) -}}
{{- end -}}
{{- include "tollgate.checkPolicies" . -}}
{{- include "tollgate.checkTls" . -}}
{{- include "tollgate.checkTraces" . -}}
{{- include "tollgate.checkLedger" . -}}
{{- include "tollgate.checkAttach" . -}}
{{- end }}

{{/* Asked for wherever the list is read: in which order templates are rendered, nobody knows. */}}
{{- define "tollgate.checkConfigMaps" -}}
{{- $named := .Values.policies.existingConfigMaps -}}
{{- range (kindIs "string" $named | ternary (list $named) $named) -}}
{{- if kindIs "string" . -}}
{{- fail (printf "policies.existingConfigMaps is a list of objects, and has the text %s: write `[{ name: %s }]`" . .) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "tollgate.checkLedger" -}}
{{- $size := toString .Values.ledger.size -}}
{{- if not (regexMatch "^0*([1-9][0-9]*(\\.[0-9]+)?|0\\.[0-9]*[1-9][0-9]*)(Ki|Mi|Gi|Ti|k|M|G|T)$" $size) -}}
{{- fail (printf "ledger.size is %s: it is a number with a unit, such as 10Gi; without one it would be bytes" $size) -}}
{{- end -}}
{{- $limit := toString .Values.ledger.emptyDirSizeLimit -}}
{{- if not (regexMatch "^([1-9][0-9]{2,}Mi|[1-9][0-9]*Gi)$" $limit) -}}
{{- fail (printf "ledger.emptyDirSizeLimit is %s: it is a whole number of Mi or Gi, such as 2Gi, and at least 100Mi" $limit) -}}
{{- end -}}
{{- end }}

{{/* Envoy waits for longer than a check may take, and sends less than one may have. Only of what is attached. */}}
{{- define "tollgate.checkAttach" -}}
{{- $attach := .Values.attach -}}
{{- $time := (.Values.config).maxCheckTime | default "150ms" -}}
{{- if and (or $attach.istio.enabled $attach.envoyGateway.enabled $attach.envoy.configMap.enabled) (le (include "tollgate.milliseconds" $attach.timeout | int64) (include "tollgate.milliseconds" $time | int64)) -}}
{{- fail (printf "attach.timeout is %s, and config.maxCheckTime (%s) is not below it: Envoy would not wait for what Tollgate says at the end of its time; raise the first, or lower the second" $attach.timeout $time) -}}
{{- end -}}
{{- $sent := dict -}}
{{- if or $attach.istio.enabled $attach.envoy.configMap.enabled }}{{ $_ := set $sent "attach.maxRequestBytes" $attach.maxRequestBytes }}{{ end -}}
{{- if $attach.envoyGateway.enabled }}{{ $_ := set $sent "attach.envoyGateway.maxRequestBytes" $attach.envoyGateway.maxRequestBytes }}{{ end -}}
{{- $most := (.Values.config).maxCheckBytes | default "16MiB" -}}
{{- range $key, $bytes := $sent -}}
{{- if ge (int64 $bytes) (include "tollgate.bytes" $most | int64) -}}
{{- fail (printf "%s is %d, and config.maxCheckBytes (%s) is not above it: Tollgate would refuse each request with so much body; lower the first, or raise the second" $key (int64 $bytes) (kindIs "string" $most | ternary $most (int64 $most | toString))) -}}
{{- end -}}
{{- end -}}
{{- if regexMatch "(^|\\.)[0-9]+$" ($attach.envoyGateway.hostname | default "") -}}
{{- fail (printf "attach.envoyGateway.hostname is %s, and a BackendTLSPolicy takes no address: use a name in Tollgate's certificate" $attach.envoyGateway.hostname) -}}
{{- end -}}
{{- end }}

{{- define "tollgate.checkPolicies" -}}
{{- include "tollgate.checkConfigMaps" . -}}
{{- $policies := .Values.policies -}}
{{- $several := gt (add (len ($policies.existingConfigMaps | default list)) (empty $policies.inline | ternary 0 1)) 1 -}}
{{- $seen := list -}}
{{- range $policies.existingConfigMaps -}}
{{- $name := .name -}}
{{- if has $name $seen -}}
{{- fail (printf "policies.existingConfigMaps names %s twice: name it once, with all its keys" $name) -}}
{{- end -}}
{{- $seen = append $seen $name -}}
{{- if and $several (not .keys) -}}
{{- fail (printf "policies.existingConfigMaps: %s needs keys, the files that are read of it: only a ConfigMap that stands alone can be read whole" $name) -}}
{{- end -}}
{{- range .keys -}}
{{- if not (or (hasSuffix ".yaml" .) (hasSuffix ".yml" .)) -}}
{{- fail (printf "policies.existingConfigMaps: key %s of %s ends neither in .yaml nor in .yml, and would not be read: rename it, or leave it out" . $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name, $_ := $policies.inline -}}
{{- if not (or (hasSuffix ".yaml" $name) (hasSuffix ".yml" $name)) -}}
{{- fail (printf "policies.inline: %s ends neither in .yaml nor in .yml, and would not be read: rename it" $name) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $policies.mode "immutable") (not $policies.existingConfigMaps) (not $policies.inline) -}}
{{- fail "policies.mode is immutable, and no policies are named: name those of this revision in policies.existingConfigMaps, or use policies.inline" -}}
{{- end -}}
{{- end }}

{{- define "tollgate.checkTls" -}}
{{- $tls := .Values.tls -}}
{{- if and (eq .Values.kind "sidecar") (ne $tls.mode "none") -}}
{{- fail (printf "tls.mode is %s, and a sidecar is asked over a Unix socket, which TLS does not concern: use `tls.mode: none`" $tls.mode) -}}
{{- end -}}
{{- if and (eq $tls.mode "existingSecret") (not $tls.existingSecret) -}}
{{- fail "tls.mode is existingSecret, and tls.existingSecret names none: name a Secret with tls.crt and tls.key" -}}
{{- end -}}
{{- if and (ne $tls.mode "existingSecret") $tls.existingSecret -}}
{{- fail (printf "tls.existingSecret is set, and tls.mode is %s, so it would not be used: use `tls.mode: existingSecret`, or leave it out" $tls.mode) -}}
{{- end -}}
{{- if and (eq $tls.mode "certManager") (not $tls.certManager.issuerRef.name) -}}
{{- fail "tls.mode is certManager, and tls.certManager.issuerRef.name is empty: name the issuer that signs" -}}
{{- end -}}
{{- $authorities := list -}}
{{- if $tls.clientCA.fromServerSecret }}{{ $authorities = append $authorities "fromServerSecret" }}{{ end -}}
{{- if $tls.clientCA.secret.name }}{{ $authorities = append $authorities "secret" }}{{ end -}}
{{- if $tls.clientCA.configMap.name }}{{ $authorities = append $authorities "configMap" }}{{ end -}}
{{- if gt (len $authorities) 1 -}}
{{- fail (printf "tls.clientCA names more than one place (%s): keep one" (join ", " $authorities)) -}}
{{- end -}}
{{- if and $authorities (eq $tls.mode "none") -}}
{{- fail "tls.clientCA is set, and tls.mode is none, so nobody would be asked for a certificate: set tls.mode, or leave tls.clientCA out" -}}
{{- end -}}
{{- if and $tls.clientSans (not $authorities) -}}
{{- fail "tls.clientSans is set, and tls.clientCA is not, so nobody would be asked for a certificate: set tls.clientCA, or leave tls.clientSans out" -}}
{{- end -}}
{{- end }}

{{- define "tollgate.checkTraces" -}}
{{- if and .Values.otlpHeader.existingSecret.name (not (.Values.config).otlpEndpoint) -}}
{{- fail "otlpHeader.existingSecret is set, and config.otlpEndpoint is not: name the collector, or leave the header out" -}}
{{- end -}}
{{- if and (.Values.config).otlpEndpoint .Values.networkPolicy.enabled (not .Values.networkPolicy.egress) (ne .Values.kind "sidecar") -}}
{{- fail "config.otlpEndpoint is set, and networkPolicy.egress is empty, so no trace would get out: allow the collector there, or use `networkPolicy.enabled: false`" -}}
{{- end -}}
{{- end }}
