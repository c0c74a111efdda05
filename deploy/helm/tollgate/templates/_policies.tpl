{{/* Policies come from ConfigMaps in one volume, so that an edit of several of them is seen as one. Each ConfigMap is a folder of
     its own name: what is said of a rule names the ConfigMap that it came from, and files of one name do not replace each other,
     as they would silently do side by side in a projected volume. */}}

{{/* The ConfigMap that holds policies.inline. Under `immutable` its content is a part of the name. */}}
{{- define "tollgate.inlineName" -}}
{{- $name := printf "%s-inline" (include "tollgate.fullname" .) -}}
{{- if eq .Values.policies.mode "immutable" -}}
{{- $name = printf "%s-%s" $name (.Values.policies.inline | toJson | sha256sum | trunc 10) -}}
{{- end -}}
{{- $name -}}
{{- end }}

{{/* The ConfigMap that is read where none is named. */}}
{{- define "tollgate.defaultPolicies" -}}
{{- printf "%s-policies" (include "tollgate.fullname" .) -}}
{{- end }}

{{/* JSON: `sources`, each with a name and the keys that are read of it, and `whole`: one ConfigMap, with all keys that it will
     ever have. */}}
{{- define "tollgate.policySources" -}}
{{- include "tollgate.checkConfigMaps" . -}}
{{- $sources := list -}}
{{- range .Values.policies.existingConfigMaps -}}
{{- $sources = append $sources (dict "name" .name "keys" (.keys | default list)) -}}
{{- end -}}
{{- $whole := not (and $sources (first $sources).keys) -}}
{{- if .Values.policies.inline -}}
{{- $keys := keys .Values.policies.inline | sortAlpha -}}
{{- $sources = append $sources (dict "name" (include "tollgate.inlineName" .) "keys" $keys) -}}
{{- end -}}
{{- if not $sources -}}
{{- $sources = list (dict "name" (include "tollgate.defaultPolicies" .) "keys" list) -}}
{{- end -}}
{{- dict "sources" $sources "whole" (and $whole (eq (len $sources) 1)) | toJson -}}
{{- end }}

{{/* Where the volume is mounted: a ConfigMap that is projected whole needs a folder of its own name. */}}
{{- define "tollgate.policiesMount" -}}
{{- $policies := include "tollgate.policySources" . | fromJson -}}
/etc/tollgate/policies{{ if $policies.whole }}/{{ (first $policies.sources).name }}{{ end -}}
{{- end }}

{{- define "tollgate.policiesVolume" -}}
{{- $policies := include "tollgate.policySources" . | fromJson -}}
{{/* A name that stands for a content must be there; without it the pod waits, instead of running without policies. */}}
{{- $optional := and .Values.policies.optional (ne .Values.policies.mode "immutable") -}}
name: tollgate-policies
projected:
  sources:
    {{- range $source := $policies.sources }}
    - configMap:
        name: {{ $source.name }}
        optional: {{ $optional }}
        {{- if not $policies.whole }}
        items:
          {{- range $source.keys }}
          - key: {{ . | quote }}
            path: {{ printf "%s/%s" $source.name . | quote }}
          {{- end }}
        {{- end }}
    {{- end }}
{{- end }}

{{/* What changes when a pod must be made anew for its policies: nothing, unless names stand for contents. */}}
{{- define "tollgate.policiesAnnotation" -}}
{{- if eq .Values.policies.mode "immutable" -}}
tollgate.dev/policies: {{ include "tollgate.policySources" . | sha256sum | quote }}
{{- end -}}
{{- end }}
