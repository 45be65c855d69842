{{/* The name of all that belongs to this release. */}}
{{- define "ferrule.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "ferrule.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "ferrule.labels" -}}
{{ include "ferrule.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: worker
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "ferrule.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The variable of a property, as the usual images spell it: _ is a dot, __ is _, ___ is -. */}}
{{- define "ferrule.variable" -}}
CONNECT_{{ . | replace "_" "__" | replace "-" "___" | replace "." "_" | upper }}
{{- end -}}

{{/* All properties: those that the chart makes, and over them those that are given. */}}
{{- define "ferrule.properties" -}}
{{- $name := include "ferrule.name" . -}}
{{- $namespace := .Release.Namespace -}}
{{- $hosts := list $name (printf "%s.%s" $name $namespace) (printf "%s.%s.svc" $name $namespace) (printf "%s.%s.svc.cluster.local" $name $namespace) -}}
{{- $own := dict
  "task.shutdown.graceful.timeout.ms" (printf "%d" (mul (int .Values.shutdownSeconds) 1000))
  "ferrule.rest.allowed.hosts" (join "," (concat $hosts .Values.rest.allowedHosts))
  "config.providers" "file,dir,env"
  "config.providers.file.class" "org.apache.kafka.common.config.provider.FileConfigProvider"
  "config.providers.file.param.allowed.paths" "/etc/ferrule/secrets"
  "config.providers.dir.class" "org.apache.kafka.common.config.provider.DirectoryConfigProvider"
  "config.providers.dir.param.allowed.paths" "/etc/ferrule/secrets"
  "config.providers.env.class" "org.apache.kafka.common.config.provider.EnvVarConfigProvider"
  "config.providers.env.param.allowlist.pattern" "SECRET_.*"
-}}
{{- toYaml (merge (dict) .Values.properties $own) -}}
{{- end -}}

{{- define "ferrule.probe" -}}
{{- if eq .Values.rest.probe "http" -}}
httpGet:
  path: /health
  port: rest
  scheme: {{ .Values.rest.scheme }}
{{- else -}}
tcpSocket:
  port: rest
{{- end }}
{{- end -}}
