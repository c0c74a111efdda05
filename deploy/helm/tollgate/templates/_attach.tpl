{{/* Attachment. The objects stand in attach/*.yaml, which `tollgate attach` renders too; here values become what these are given.

What all of them are given: `root` is the chart's scope, `into` the context that this is written into. */}}
{{- define "tollgate.attach.common" -}}
{{- $root := .root -}}
{{- $attach := $root.Values.attach -}}
{{- $name := include "tollgate.fullname" $root -}}
{{- $wait := trimSuffix "ms" $attach.timeout | int -}}
{{- $port := ($root.Values.ports).check | default 9000 | int -}}
{{- $domain := $root.Values.clusterDomain | default "cluster.local" -}}
{{- $beside := eq ($root.Values.kind | default "statefulset") "sidecar" -}}
{{- $_ := set .into "service" (dict "name" $name "namespace" $root.Release.Namespace "host" (printf "%s.%s.svc.%s" $name $root.Release.Namespace $domain) "port" $port) -}}
{{- $_ := set .into "headless" (printf "%s-headless.%s.svc.%s" $name $root.Release.Namespace $domain) -}}
{{- $_ := set .into "labels" (include "tollgate.labels" $root | fromYaml) -}}
{{- $_ := set .into "timeout" $attach.timeout -}}
{{- $_ := set .into "timeoutSeconds" (regexReplaceAll "\\.?0+$" (printf "%d.%03d" (div $wait 1000) (mod $wait 1000)) "") -}}
{{- $_ := set .into "maxRequestBytes" (int $attach.maxRequestBytes) -}}
{{- $_ := set .into "extProc" $attach.extProc -}}
{{- $_ := set .into "extProcPort" 9001 -}}
{{- $_ := set .into "healthService" "envoy.service.auth.v3.Authorization" -}}
{{- $_ := set .into "socket" ($beside | ternary "/run/tollgate/tollgate.sock" "") -}}
{{- $_ := set .into "socketFolder" "/run/tollgate" -}}
{{- if and $beside $attach.extProc -}}
{{- fail "attach.extProc is true and kind is sidecar: a socket is for checks alone; turn attach.extProc off" -}}
{{- end -}}
{{- end }}

{{/* What one attachment is called: `service`, and what it is for, unless it has a name. */}}
{{- define "tollgate.attach.name" -}}
{{- $whole := concat (list .service) .parts | compact | join "-" | lower | replace "_" "-" | replace "." "-" -}}
{{- with .name -}}{{- $whole = . -}}{{- end -}}
{{- if gt (len $whole) 63 -}}
{{- fail (printf "attach: an object would be called %s, which has more than 63 characters: give the workload a `name`" $whole) -}}
{{- end -}}
{{- $whole -}}
{{- end }}

{{/* Renders a file of attach/ with a context. */}}
{{- define "tollgate.attach.file" -}}
{{- tpl (.root.Files.Get (printf "attach/%s" .file)) .context | trim -}}
{{- end }}

{{/* How the mesh is told of Tollgate, as far as that is no object. */}}
{{- define "tollgate.attach.notes" -}}
{{- $root := . -}}
{{- $istio := .Values.attach.istio -}}
{{- if and $istio.enabled (eq $istio.mode "provider") -}}
Attachment. Istio asks nobody until its mesh configuration has this, and answers 403 for what is attached:
{{ include "tollgate.attach.providers" . | nindent 4 }}
{{ end -}}
{{- if and $istio.enabled (eq (.Values.kind | default "statefulset") "sidecar") -}}
Attachment. Pods that have Tollgate in them show its socket to istio-proxy by an annotation of their template:

    sidecar.istio.io/userVolumeMount: '[{"name":"tollgate-socket","mountPath":"/run/tollgate"}]'
{{ end -}}
{{- if and .Values.attach.envoyGateway.enabled (eq (.Values.kind | default "statefulset") "sidecar") -}}
Attachment. Envoy Gateway needs `extensionApis.enableBackend: true` in its own configuration. Tollgate is in the pods of those Gateways
that name the EnvoyProxy {{ include "tollgate.fullname" . }} under `infrastructure.parametersRef`.
{{ end -}}
{{- range ternary $istio.workloads list $istio.enabled -}}
{{- if .waypoint -}}
Attachment. The waypoint {{ .waypoint }} says who is calling once it is told to, and `Identity` lists `xfcc`:

    kubectl -n {{ .namespace }} annotate gateway {{ .waypoint }} ambient.istio.io/xfcc-include-client-identity=true
{{ end -}}
{{- end -}}
{{- end }}
