{{/* One container, one list of volumes and one pod for all forms, and what pods of the webhook and of `helm test` have in common with
     them. Volumes are called `tollgate-…`, since in the sidecar form they
     stand among those of an app. */}}

{{- define "tollgate.container" -}}
name: tollgate
image: {{ include "tollgate.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [serve, --config, /etc/tollgate/config/tollgate.yaml]
{{- $headers := .Values.otlpHeader.existingSecret }}
{{- if or $headers.name .Values.extraEnv }}
env:
  {{- if $headers.name }}
  - name: TOLLGATE_OTLP_HEADER
    valueFrom:
      secretKeyRef:
        name: {{ $headers.name }}
        key: {{ $headers.key }}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
ports:
  {{- if ne .Values.kind "sidecar" }}
  - name: grpc-check
    containerPort: {{ .Values.ports.check }}
  {{- end }}
  - name: http-metrics
    containerPort: {{ .Values.ports.metrics }}
  - name: grpc-health
    containerPort: {{ .Values.ports.health }}
{{ include "tollgate.probes" .Values.ports.health }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
volumeMounts:
  - name: tollgate-config
    mountPath: /etc/tollgate/config
    readOnly: true
  - name: tollgate-policies
    mountPath: {{ include "tollgate.policiesMount" . }}
    readOnly: true
  {{- /* The folder above the ledger: on a disk of its own, a file system's root belongs to root and holds `lost+found`. */}}
  - name: tollgate-ledger
    mountPath: /var/lib/tollgate
  {{- if include "tollgate.tlsSecret" . }}
  - name: tollgate-tls
    mountPath: /etc/tollgate/tls
    readOnly: true
  {{- end }}
  {{- if hasPrefix "/etc/tollgate/client-ca/" (include "tollgate.clientCA" .) }}
  - name: tollgate-client-ca
    mountPath: /etc/tollgate/client-ca
    readOnly: true
  {{- end }}
  {{- if .Values.pseudonymKey.existingSecret.name }}
  - name: tollgate-keys
    mountPath: /etc/tollgate/keys
    readOnly: true
  {{- end }}
  {{- if eq .Values.kind "sidecar" }}
  - name: tollgate-socket
    mountPath: /run/tollgate
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* By the port for health. */}}
{{- define "tollgate.probes" -}}
{{- /* Started is what is alive. Were it what is ready, a pod without good policies would be restarted again and again, which mends
       no policy; so it waits, and is no endpoint. */ -}}
startupProbe:
  grpc:
    port: {{ . }}
    service: liveness
  periodSeconds: 1
  failureThreshold: 60
readinessProbe:
  grpc:
    port: {{ . }}
    service: readiness
  periodSeconds: 2
livenessProbe:
  grpc:
    port: {{ . }}
    service: liveness
  periodSeconds: 10
  timeoutSeconds: 5
{{- end }}

{{/* What no pod of this chart gets, and what each needs to start. */}}
{{- define "tollgate.podStart" -}}
automountServiceAccountToken: false
{{- /* Kubernetes would put a variable TOLLGATE_… into the environment for each Service of such a name, among our settings. */}}
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- end }}

{{/* Where pods may run, by the values that say it. */}}
{{- define "tollgate.podPlace" -}}
{{- range $key := list "nodeSelector" "affinity" "tolerations" }}
{{- with get $ $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tollgate.volumes" -}}
{{- $tls := .Values.tls -}}
- name: tollgate-config
  configMap:
    name: {{ include "tollgate.fullname" . }}-config
- {{ include "tollgate.policiesVolume" . | nindent 2 | trim }}
{{- if ne .Values.kind "statefulset" }}
- name: tollgate-ledger
  emptyDir:
    sizeLimit: {{ .Values.ledger.emptyDirSizeLimit }}
{{- end }}
{{- with include "tollgate.tlsSecret" . }}
- name: tollgate-tls
  secret:
    secretName: {{ . }}
{{- end }}
{{- if hasPrefix "/etc/tollgate/client-ca/" (include "tollgate.clientCA" .) }}
- name: tollgate-client-ca
  {{- if $tls.clientCA.secret.name }}
  secret:
    secretName: {{ $tls.clientCA.secret.name }}
    items:
      - key: {{ $tls.clientCA.secret.key }}
        path: ca.crt
  {{- else }}
  configMap:
    name: {{ $tls.clientCA.configMap.name }}
    items:
      - key: {{ $tls.clientCA.configMap.key }}
        path: ca.crt
  {{- end }}
{{- end }}
{{- with .Values.pseudonymKey.existingSecret }}
{{- if .name }}
- name: tollgate-keys
  secret:
    secretName: {{ .name }}
    items:
      - key: {{ .key }}
        path: pseudonyms
{{- end }}
{{- end }}
{{- if eq .Values.kind "sidecar" }}
- name: tollgate-socket
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Replicas of one revision apart from each other; those of the one before, which are going, do not count. */}}
{{- define "tollgate.topologySpread" -}}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- topologyKey: {{ . }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "tollgate.podSelector" $ | nindent 6 }}
  matchLabelKeys: [{{ eq $.Values.kind "deployment" | ternary "pod-template-hash" "controller-revision-hash" }}]
{{- end }}
{{- end }}

{{- define "tollgate.pod" -}}
metadata:
  annotations:
    {{- include "tollgate.configAnnotation" . | nindent 4 }}
    {{- with include "tollgate.policiesAnnotation" . }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  labels:
    {{- include "tollgate.podLabels" . | nindent 4 }}
spec:
  serviceAccountName: {{ include "tollgate.serviceAccountName" . }}
  {{- include "tollgate.podStart" . | nindent 2 }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  terminationGracePeriodSeconds: {{ include "tollgate.gracePeriod" . }}
  containers:
    - {{ include "tollgate.container" . | nindent 6 | trim }}
  volumes:
    {{- include "tollgate.volumes" . | nindent 4 }}
  {{- with include "tollgate.podPlace" .Values | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- if kindIs "invalid" .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- include "tollgate.topologySpread" . | trim | nindent 4 }}
  {{- else if .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
  {{- end }}
{{- end }}

{{/* For charts that put Tollgate beside an app: an entry of `initContainers`, which Kubernetes starts before the app and ends
     after it. Give it this chart's scope: `include "tollgate.sidecar" .Subcharts.tollgate`. */}}
{{- define "tollgate.sidecar" -}}
{{ include "tollgate.container" . }}
restartPolicy: Always
{{- end }}

{{/* The volumes that go with it. */}}
{{- define "tollgate.sidecarVolumes" -}}
{{ include "tollgate.volumes" . }}
{{- end }}

{{/* The annotations that make the app's pods anew when the settings change. */}}
{{- define "tollgate.sidecarAnnotations" -}}
{{ include "tollgate.configAnnotation" . }}
{{- with include "tollgate.policiesAnnotation" . }}
{{ . }}
{{- end }}
{{- end }}
