{{/* The objects of each workload of attach.envoyGateway, checked. */}}
{{- define "tollgate.attach.envoyGateway" -}}
{{- $root := . -}}
{{- $gateway := .Values.attach.envoyGateway -}}
{{- $beside := eq (.Values.kind | default "statefulset") "sidecar" -}}
{{- if not $gateway.workloads -}}
{{- fail "attach.envoyGateway.enabled is true and attach.envoyGateway.workloads is empty: name what is attached, or turn it off" -}}
{{- end -}}
{{- $seen := dict -}}
{{- $first := true -}}
{{- range $one := $gateway.workloads -}}
{{- $where := printf "attach.envoyGateway.workloads, namespace %s" $one.namespace -}}
{{- if gt (len (compact (list (ternary "x" "" (not (empty $one.selector))) (ternary "x" "" (not (empty (concat ($one.routes | default list) ($one.grpcRoutes | default list))))) $one.gateway))) 1 -}}
{{- fail (printf "%s: selector, routes and gateway exclude each other: make a workload of each" $where) -}}
{{- end -}}
{{- $context := dict -}}
{{- include "tollgate.attach.common" (dict "root" $root "into" $context) -}}
{{- $refs := list -}}
{{- $selector := dict -}}
{{- /* In whichever order they are named, they are the same target. */ -}}
{{- $routes := $one.routes | default list | sortAlpha | uniq -}}
{{- $grpcRoutes := $one.grpcRoutes | default list | sortAlpha | uniq -}}
{{- range $routes -}}
{{- $refs = append $refs (dict "group" "gateway.networking.k8s.io" "kind" "HTTPRoute" "name" .) -}}
{{- end -}}
{{- range $grpcRoutes -}}
{{- $refs = append $refs (dict "group" "gateway.networking.k8s.io" "kind" "GRPCRoute" "name" .) -}}
{{- end -}}
{{- with $one.gateway -}}
{{- $refs = list (dict "group" "gateway.networking.k8s.io" "kind" "Gateway" "name" .) -}}
{{- end -}}
{{- if not $refs -}}
{{- $selector = $one.selector | default (dict "tollgate.dev/enforce" "true") -}}
{{- end -}}
{{- $purpose := dict "service" $context.service.name "name" $one.name -}}
{{- include "tollgate.attach.purpose" (dict "labels" $selector "gateway" $one.gateway "routes" $routes "grpcRoutes" $grpcRoutes "into" $purpose) -}}
{{- $name := include "tollgate.attach.name" $purpose -}}
{{- if hasKey $seen (printf "%s/%s" $one.namespace $name) -}}
{{- fail (printf "%s: two workloads would be called %s: give one of them a `name`" $where $name) -}}
{{- end -}}
{{- $tls := false -}}
{{- if ne (($root.Values.tls).mode | default "none") "none" -}}
{{- $tls = dict "name" ($gateway.hostname | default (printf "%s.%s.svc" $context.service.name $context.service.namespace)) "authority" $gateway.caConfigMap -}}
{{- end -}}
{{- $_ := set $context "maxRequestBytes" (int $gateway.maxRequestBytes) -}}
{{- $_ := set $context "name" $name -}}
{{- $_ := set $context "namespace" $one.namespace -}}
{{- $_ := set $context "grant" (include "tollgate.attach.name" (dict "service" $context.service.name "words" (list "from" $one.namespace) "exact" (printf "Namespace/%s" $one.namespace) "wordsSayIt" true "name" "")) -}}
{{- $_ := set $context "selector" $selector -}}
{{- $_ := set $context "targetRefs" $refs -}}
{{- $_ := set $context "clientTraffic" (and (not (empty $one.gateway)) (dig "clientTraffic" true $one)) -}}
{{- $_ := set $context "tls" $tls -}}
{{- $_ := set $context "container" "" -}}
{{- $_ := set $context "volumes" "" -}}
{{- if $beside -}}
{{- $_ := set $context "container" (include "tollgate.sidecar" $root) -}}
{{- $_ := set $context "volumes" (include "tollgate.sidecarVolumes" $root) -}}
{{- end -}}
{{- $_ := set $context "onceForNamespace" (not (hasKey $seen $one.namespace)) -}}
{{- $_ := set $context "onceForService" $first }}
{{ include "tollgate.attach.file" (dict "root" $root "file" "envoy-gateway.yaml" "context" $context) }}
{{- $_ := set $seen $one.namespace true -}}
{{- $_ := set $seen (printf "%s/%s" $one.namespace $name) true -}}
{{- $first = false -}}
{{- end -}}
{{- end }}

{{/* The configuration of a plain Envoy. */}}
{{- define "tollgate.attach.envoy" -}}
{{- $root := . -}}
{{- $context := dict -}}
{{- include "tollgate.attach.common" (dict "root" $root "into" $context) -}}
{{- $tls := false -}}
{{- $mode := (.Values.tls).mode | default "none" -}}
{{- if ne $mode "none" -}}
{{- $clients := .Values.tls.clientCA -}}
{{- $mutual := or $clients.fromServerSecret $clients.secret.name $clients.configMap.name | empty | not -}}
{{- $tls = dict "name" $context.headless "isAddress" false "mutual" $mutual -}}
{{- end -}}
{{- $_ := set $context "cluster" "tollgate" -}}
{{- $_ := set $context "extProcCluster" "tollgate_ext_proc" -}}
{{- $_ := set $context "authority" "" -}}
{{- $_ := set $context "host" ($context.socket | empty | ternary $context.headless "") -}}
{{- $_ := set $context "port" $context.service.port -}}
{{- $_ := set $context "tls" $tls -}}
{{- $other := merge (dict "cluster" "tollgate_ext_proc" "port" $context.extProcPort "healthService" "envoy.service.ext_proc.v3.ExternalProcessor") $context -}}
{{- $_ := set $context "extAuthz" (include "tollgate.attach.file" (dict "root" $root "file" "ext-authz.yaml" "context" $context)) -}}
{{- $_ := set $context "extProcFilter" (include "tollgate.attach.file" (dict "root" $root "file" "ext-proc.yaml" "context" $context)) -}}
{{- $_ := set $context "clusterConfig" (include "tollgate.attach.file" (dict "root" $root "file" "envoy-cluster.yaml" "context" $context)) -}}
{{- $_ := set $context "extProcClusterConfig" (include "tollgate.attach.file" (dict "root" $root "file" "envoy-cluster.yaml" "context" $other)) -}}
{{- include "tollgate.attach.file" (dict "root" $root "file" "envoy.yaml" "context" $context) -}}
{{- end }}
