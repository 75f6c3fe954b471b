{{- define "yamcp-hub.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Part of names of replicas, which are DNS labels of at most 63 characters: room is left for suffixes. */}}
{{- define "yamcp-hub.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "yamcp-hub.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "yamcp-hub.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "yamcp-hub.headless" -}}
{{ include "yamcp-hub.fullname" . }}-replicas
{{- end -}}

{{/* In which replicas have their names; in full, because HAProxy looks them up without search domains. */}}
{{- define "yamcp-hub.domain" -}}
{{ include "yamcp-hub.headless" . }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
{{- end -}}

{{- define "yamcp-hub.selector" -}}
app.kubernetes.io/name: {{ include "yamcp-hub.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: hub
{{- end -}}

{{- define "yamcp-hub.balancerSelector" -}}
app.kubernetes.io/name: {{ include "yamcp-hub.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: balancer
{{- end -}}

{{- define "yamcp-hub.labels" -}}
app.kubernetes.io/name: {{ include "yamcp-hub.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "yamcp-hub.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "yamcp-hub.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "yamcp-hub.configMap" -}}
{{- default (printf "%s-configuration" (include "yamcp-hub.fullname" .)) .Values.configuration.existingConfigMap -}}
{{- end -}}

{{- define "yamcp-hub.ownConfiguration" -}}
{{- with .Values.configuration -}}
{{- if or .providers .workspaces .hub .access -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{- define "yamcp-hub.hasConfigMap" -}}
{{- if or .Values.configuration.existingConfigMap (include "yamcp-hub.ownConfiguration" .) -}}true{{- end -}}
{{- end -}}

{{- define "yamcp-hub.hasFiles" -}}
{{- if or .Values.configuration.existingSecret (include "yamcp-hub.hasConfigMap" .) -}}true{{- end -}}
{{- end -}}

{{/* One directory with the files of the ConfigMap, the Secret, or both. */}}
{{- define "yamcp-hub.configurationVolume" -}}
{{- $secret := .Values.configuration.existingSecret -}}
{{- if and $secret (include "yamcp-hub.hasConfigMap" .) -}}
projected:
  defaultMode: 0440
  sources:
    - configMap: { name: {{ include "yamcp-hub.configMap" . }} }
    - secret: { name: {{ $secret }} }
{{- else if $secret -}}
secret: { secretName: {{ $secret }}, defaultMode: 0440 }
{{- else -}}
configMap: { name: {{ include "yamcp-hub.configMap" . }}, defaultMode: 0440 }
{{- end -}}
{{- end -}}

{{- define "yamcp-hub.drains" -}}
{{- if .Values.shutdown.drain -}}{{- include "yamcp-hub.forwards" . -}}{{- end -}}
{{- end -}}

{{- define "yamcp-hub.many" -}}
{{- if or .Values.autoscaling.enabled (gt (int .Values.replicas) 1) -}}true{{- end -}}
{{- end -}}

{{- define "yamcp-hub.forwards" -}}
{{- if .Values.forwarding.enabled -}}{{- include "yamcp-hub.many" . -}}{{- end -}}
{{- end -}}

{{/* HUB_REPLICAS: where the replicas reach each other. Without autoscaling it names them all. */}}
{{- define "yamcp-hub.replicas" -}}
{{- if and .Values.forwarding.list (not .Values.autoscaling.enabled) -}}
{{- range $number := until (int .Values.replicas) -}}
{{ include "yamcp-hub.fullname" $ }}-{{ $number }},
{{- end -}}
{{- end -}}
http://{replica}.{{ include "yamcp-hub.domain" . }}:8765
{{- end -}}

{{- define "yamcp-hub.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* What does not fit together is refused before anything is installed. */}}
{{- define "yamcp-hub.check" -}}
{{- $many := include "yamcp-hub.many" . -}}
{{- if not .Values.token.existingSecret -}}
{{- fail "token.existingSecret is missing: the name of a Secret with the hub's token. kubectl create secret generic yamcp-hub --from-literal=token=\"$(openssl rand -base64 32)\" --from-literal=replicas=\"$(openssl rand -base64 32)\"" -}}
{{- end -}}
{{- if and $many (not (or .Values.balancer.enabled .Values.httpRoute.enabled .Values.forwarding.enabled)) -}}
{{- fail "several replicas need balancer.enabled, httpRoute.enabled or forwarding.enabled: otherwise requests do not reach the replica that has their session. Or set replicas to 1." -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled (not .Values.serviceMonitor.existingSecret) -}}
{{- fail "serviceMonitor.existingSecret is missing: the name of a Secret with a key made by `hubctl keys add prometheus --admin`." -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs is missing: the Gateways that have the routes." -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) -}}
{{- fail "ingress.host is missing: the host name of the Ingress." -}}
{{- end -}}
{{- if and .Values.configuration.existingConfigMap (include "yamcp-hub.ownConfiguration" .) -}}
{{- fail "configuration.existingConfigMap is set, and files beside it; keep one." -}}
{{- end -}}
{{- if and .Values.configuration.database.existingSecret (include "yamcp-hub.hasFiles" .) -}}
{{- fail "configuration.database is set, and files beside it; keep one." -}}
{{- end -}}
{{- $most := ternary .Values.autoscaling.maxReplicas .Values.replicas .Values.autoscaling.enabled | int -}}
{{- if and .Values.balancer.enabled (lt (int .Values.balancer.maxReplicas) $most) -}}
{{- fail (printf "balancer.maxReplicas is %d, less than the %d replicas." (int .Values.balancer.maxReplicas) $most) -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (lt (int .Values.httpRoute.maxReplicas) $most) -}}
{{- fail (printf "httpRoute.maxReplicas is %d, less than the %d replicas." (int .Values.httpRoute.maxReplicas) $most) -}}
{{- end -}}
{{- end -}}
