{{/* The context of each workload of attach.istio, checked, and its objects. */}}
{{- define "tollgate.attach.istio" -}}
{{- $root := . -}}
{{- $istio := $root.Values.attach.istio -}}
{{- $beside := eq ($root.Values.kind | default "statefulset") "sidecar" -}}
{{- $isFilter := eq $istio.mode "envoyFilter" -}}
{{- if not $istio.workloads -}}
{{- fail "attach.istio.enabled is true and attach.istio.workloads is empty: name what is attached, or turn it off" -}}
{{- end -}}
{{- if ne (($root.Values.tls).mode | default "none") "none" -}}
{{- fail "attach.istio.enabled is true and tls.mode is not none: Istio's own TLS is between them, and it cannot show a certificate of Tollgate's; use `tls.mode: none`" -}}
{{- end -}}
{{- if and $isFilter $istio.provider -}}
{{- fail "attach.istio.provider is set and attach.istio.mode is envoyFilter, which names no provider: leave one of them out" -}}
{{- end -}}
{{- $seen := dict -}}
{{- $first := true -}}
{{- range $one := $istio.workloads -}}
{{- $where := printf "attach.istio.workloads, namespace %s" $one.namespace -}}
{{- if gt (len (compact (list (ternary "x" "" (not (empty $one.selector))) $one.gateway $one.waypoint))) 1 -}}
{{- fail (printf "%s: selector, gateway and waypoint exclude each other: make a workload of each" $where) -}}
{{- end -}}
{{- if and $one.gatewayPods (not $one.selector) -}}
{{- fail (printf "%s: gatewayPods says what the pods of selector are: add selector, or use gateway for a Gateway of the Gateway API" $where) -}}
{{- end -}}
{{- $isWhole := and (not $one.selector) (not $one.gateway) (not $one.waypoint) -}}
{{- if and $beside (or (not $one.selector) $one.gatewayPods) -}}
{{- fail (printf "%s: kind is sidecar, and only pods that have Tollgate in them can ask it: name them by their labels with selector" $where) -}}
{{- end -}}
{{- if and $isWhole (eq $one.namespace $root.Release.Namespace) -}}
{{- fail (printf "%s: Tollgate itself is in this namespace, and would be asked whether it may be asked: name a workload with selector, gateway or waypoint" $where) -}}
{{- end -}}
{{- if and $isWhole (eq $one.namespace "istio-system") -}}
{{- fail (printf "%s: what holds there holds for the whole mesh, and so for Tollgate itself: name a gateway with selector or gateway" $where) -}}
{{- end -}}
{{- if and $isFilter $one.exceptPaths -}}
{{- fail (printf "%s: exceptPaths need `attach.istio.mode: provider`, for the filter knows no paths: change the mode, or let a policy leave the path open" $where) -}}
{{- end -}}
{{- $context := dict -}}
{{- include "tollgate.attach.common" (dict "root" $root "into" $context) -}}
{{- $service := $context.service.name -}}
{{- if $beside -}}
{{- $_ := set $context.service "host" (printf "%s.local" $service) -}}
{{- $_ := set $context.service "namespace" $one.namespace -}}
{{- end -}}
{{- $refs := list -}}
{{- with coalesce $one.gateway $one.waypoint -}}
{{- $refs = list (dict "group" "gateway.networking.k8s.io" "kind" "Gateway" "name" .) -}}
{{- end -}}
{{- $purpose := dict "service" $service "name" $one.name -}}
{{- include "tollgate.attach.purpose" (dict "labels" $one.selector "gateway" (coalesce $one.gateway $one.waypoint) "into" $purpose) -}}
{{- $name := include "tollgate.attach.name" $purpose -}}
{{- if hasKey $seen (printf "%s/%s" $one.namespace $name) -}}
{{- fail (printf "%s: two workloads would be called %s: give one of them a `name`" $where $name) -}}
{{- end -}}
{{- $_ := set $context "name" $name -}}
{{- $_ := set $context "namespace" $one.namespace -}}
{{- $_ := set $context "mode" $istio.mode -}}
{{- $_ := set $context "provider" (include "tollgate.attach.provider" (dict "root" $root "namespace" $one.namespace)) -}}
{{- $_ := set $context "referencedService" (printf "%s/%s" $context.service.namespace $context.service.host) -}}
{{- $_ := set $context "selector" ($one.selector | default dict) -}}
{{- $_ := set $context "targetRefs" $refs -}}
{{- /* Istio takes a waypoint's listeners for those of a sidecar. */ -}}
{{- $_ := set $context "listeners" "SIDECAR_INBOUND" -}}
{{- if or $one.gateway $one.gatewayPods -}}{{- $_ := set $context "listeners" "GATEWAY" -}}{{- end -}}
{{- $_ := set $context "exceptPaths" ($one.exceptPaths | default list) -}}
{{- $_ := set $context "waypoint" ($one.waypoint | default "") -}}
{{- $_ := set $context "cluster" (printf "outbound|%d||%s" $context.service.port $context.service.host) -}}
{{- $_ := set $context "extProcCluster" (printf "outbound|%d||%s" $context.extProcPort $context.service.host) -}}
{{- $_ := set $context "authority" $context.service.host -}}
{{- $_ := set $context "extAuthz" (include "tollgate.attach.file" (dict "root" $root "file" "ext-authz.yaml" "context" $context)) -}}
{{- $_ := set $context "extProcFilter" (include "tollgate.attach.file" (dict "root" $root "file" "ext-proc.yaml" "context" $context)) -}}
{{- $_ := set $context "onceForNamespace" (not (hasKey $seen $one.namespace)) -}}
{{- $_ := set $context "onceForService" $first }}
{{ include "tollgate.attach.file" (dict "root" $root "file" "istio.yaml" "context" $context) }}
{{- $_ := set $seen $one.namespace true -}}
{{- $_ := set $seen (printf "%s/%s" $one.namespace $name) true -}}
{{- $first = false -}}
{{- end -}}
{{- end }}

{{/* What the provider is called: in a sidecar's form the socket of each namespace is another service, and so another provider. */}}
{{- define "tollgate.attach.provider" -}}
{{- $own := .root.Values.attach.istio.provider -}}
{{- $service := include "tollgate.fullname" .root -}}
{{- if eq (.root.Values.kind | default "statefulset") "sidecar" -}}
{{- $own = include "tollgate.attach.name" (dict "service" ($own | default $service) "words" (list .namespace) "exact" (printf "Namespace/%s" .namespace) "wordsSayIt" true "name" "") -}}
{{- end -}}
{{- $own | default $service -}}
{{- end }}

{{/* The part of the mesh configuration: one provider, or in a sidecar's form one for each namespace. */}}
{{- define "tollgate.attach.providers" -}}
{{- $seen := dict -}}
{{- $root := . -}}
{{- range $one := .Values.attach.istio.workloads -}}
{{- $provider := include "tollgate.attach.provider" (dict "root" $root "namespace" $one.namespace) -}}
{{- if not (hasKey $seen $provider) -}}
{{- $context := dict -}}
{{- include "tollgate.attach.common" (dict "root" $root "into" $context) -}}
{{- if $context.socket -}}
{{- $_ := set $context.service "host" (printf "%s.local" $context.service.name) -}}
{{- $_ := set $context.service "namespace" $one.namespace -}}
{{- end -}}
{{- $_ := set $context "provider" $provider -}}
{{- $_ := set $context "referencedService" (printf "%s/%s" $context.service.namespace $context.service.host) }}
{{ include "tollgate.attach.file" (dict "root" $root "file" "istio-provider.yaml" "context" $context) }}
{{- $_ := set $seen $provider true -}}
{{- end -}}
{{- end -}}
{{- end }}
