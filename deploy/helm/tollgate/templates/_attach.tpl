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

{{/* What an attachment is for, as src/attach/manifests/name.rs has it: `words` for people, `exact`, which nothing else has, and
`wordsSayIt` where no other purpose has these words. Written into `into`, of one of `labels`, `gateway`, `routes` and `grpcRoutes`, or
of none, which is a whole namespace. */}}
{{- define "tollgate.attach.purpose" -}}
{{- $words := list -}}
{{- $exact := list -}}
{{- $wordsSayIt := true -}}
{{- if .gateway -}}
{{- $words = list "gateway" .gateway -}}
{{- $exact = list (printf "Gateway/%s" .gateway) -}}
{{- else if or .routes .grpcRoutes -}}
{{- $words = concat (list "route") (.routes | default list) (.grpcRoutes | default list) -}}
{{- range .routes }}{{ $exact = append $exact (printf "HTTPRoute/%s" .) }}{{ end -}}
{{- range .grpcRoutes }}{{ $exact = append $exact (printf "GRPCRoute/%s" .) }}{{ end -}}
{{- $wordsSayIt = and (eq (len $exact) 1) (empty .grpcRoutes) -}}
{{- else if .labels -}}
{{- range $key, $value := .labels -}}
{{- $words = concat $words (list (splitList "/" $key | last) $value) -}}
{{- $exact = append $exact (printf "%s=%s" $key $value) -}}
{{- end -}}
{{- $key := keys .labels | first -}}
{{- $value := get .labels $key -}}
{{- $wordsSayIt = and (eq (len .labels) 1) (or (eq $key "app") (eq $key "app.kubernetes.io/name") (has "tollgate.dev/enforce=true" $exact)) -}}
{{- if and $wordsSayIt (ne $key "app") -}}
{{- $words = list (eq $key "app.kubernetes.io/name" | ternary $value "enforce") -}}
{{- end -}}
{{- if eq $key "app.kubernetes.io/name" -}}
{{- $wordsSayIt = and $wordsSayIt (not (regexMatch "^(enforce$|app-|gateway-|route-)" $value)) -}}
{{- end -}}
{{- end -}}
{{- $_ := set .into "words" $words -}}
{{- $_ := set .into "exact" (join "," $exact) -}}
{{- $_ := set .into "wordsSayIt" $wordsSayIt -}}
{{- end }}

{{/* What one attachment is called: `service` and its purpose, unless it has a name. Where words do not say it, it ends in digits that
are made of exactly what it is for. */}}
{{- define "tollgate.attach.name" -}}
{{- $whole := concat (list .service) .words | join "-" -}}
{{- $name := lower $whole | replace "_" "-" | replace "." "-" -}}
{{- if .name -}}
{{- .name -}}
{{- else if and .wordsSayIt (eq $name $whole) (le (len $name) 63) -}}
{{- $name -}}
{{- else -}}
{{- printf "%s-%s" ($name | trunc 54 | trimAll "-") (printf "%s %s" .service .exact | sha256sum | trunc 8) -}}
{{- end -}}
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
{{- range ternary $istio.workloads list (eq true $istio.enabled) -}}
{{- if .waypoint -}}
Attachment. The waypoint {{ .waypoint }} says who is calling once it is told to, and `Identity` lists `xfcc`:

    kubectl -n {{ .namespace }} annotate gateway {{ .waypoint }} ambient.istio.io/xfcc-include-client-identity=true
{{ end -}}
{{- end -}}
{{- end }}
