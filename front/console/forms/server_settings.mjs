/** The settings of a server that hub.json keeps: defaults and limits. Written by `make generate` from bridge/models/: change those, not this. */

/** @type {import('../../../bridge/node/types.mjs').ServerSettings} */
export const DEFAULTS = {
  enabled: true,
  session: "shared",
  era: "auto",
  start: "eager",
  idle_stop: 0.0,
  start_timeout: 60.0,
  connect_timeout: 10.0,
  call_timeout: 300.0,
  tool_timeouts: {},
  idle_timeout: 0.0,
  tool_idle_timeouts: {},
  health_interval: 60.0,
  max_inflight: 64,
  max_instances: 20,
  share_between_keys: false,
  cache: {},
  cache_shared: false,
  container: null,
  record: "workspace",
  limits: null,
  keep: false,
};

/** Their JSON Schema. @type {{ properties: Record<string, any>, $defs: Record<string, any> }} */
export const SCHEMA = {
  properties: {
    enabled: {"default": true, "type": "boolean"},
    session: {"default": "shared", "enum": ["shared", "per_client"], "type": "string"},
    era: {"default": "auto", "enum": ["auto", "legacy", "modern"], "type": "string"},
    start: {"default": "eager", "enum": ["eager", "lazy"], "type": "string"},
    idle_stop: {"default": 0, "maximum": 86400, "minimum": 0, "type": "number"},
    start_timeout: {"default": 60, "exclusiveMinimum": 0, "maximum": 3600, "type": "number"},
    connect_timeout: {"default": 10, "exclusiveMinimum": 0, "maximum": 3600, "type": "number"},
    call_timeout: {"default": 300, "exclusiveMinimum": 0, "maximum": 86400, "type": "number"},
    tool_timeouts: {"additionalProperties": {"exclusiveMinimum": 0, "maximum": 86400, "type": "number"}, "type": "object"},
    idle_timeout: {"default": 0, "maximum": 86400, "minimum": 0, "type": "number"},
    tool_idle_timeouts: {"additionalProperties": {"maximum": 86400, "minimum": 0, "type": "number"}, "type": "object"},
    health_interval: {"default": 60, "maximum": 86400, "minimum": 0, "type": "number"},
    max_inflight: {"default": 64, "maximum": 10000, "minimum": 1, "type": "integer"},
    max_instances: {"default": 20, "maximum": 1000, "minimum": 1, "type": "integer"},
    share_between_keys: {"default": false, "type": "boolean"},
    cache: {"additionalProperties": {"exclusiveMinimum": 0, "maximum": 2592000, "type": "number"}, "type": "object"},
    cache_shared: {"default": false, "type": "boolean"},
    container: {"anyOf": [{"$ref": "#/$defs/ContainerSettings"}, {"type": "null"}], "default": null},
    record: {"default": "workspace", "enum": ["workspace", "off", "sizes", "redacted", "full"], "type": "string"},
    limits: {"anyOf": [{"$ref": "#/$defs/ProcessLimits"}, {"type": "null"}], "default": null},
    keep: {"default": false, "type": "boolean"},
  },
  $defs: {
    ContainerSettings: {"additionalProperties": false, "properties": {"image": {"pattern": "^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}$", "type": "string"}, "memory": {"default": "512m", "pattern": "^[1-9][0-9]{0,9}[kmg]$", "type": "string"}, "cpus": {"default": 1, "exclusiveMinimum": 0, "maximum": 1024, "type": "number"}, "pids": {"default": 256, "maximum": 1000000, "minimum": 1, "type": "integer"}, "network": {"default": false, "type": "boolean"}, "mounts": {"default": [], "items": {"$ref": "#/$defs/Mount"}, "maxItems": 64, "type": "array"}, "pull": {"default": "missing", "enum": ["missing", "always", "never"], "type": "string"}, "user": {"anyOf": [{"pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,31})?$", "type": "string"}, {"type": "null"}], "default": null}, "workdir": {"anyOf": [{"pattern": "^/[^,:\\x00-\\x1f]{0,1023}$", "type": "string"}, {"type": "null"}], "default": null}}, "required": ["image"], "type": "object"},
    Mount: {"additionalProperties": false, "properties": {"source": {"pattern": "^/[^,:\\x00-\\x1f]{0,1023}$", "type": "string"}, "target": {"pattern": "^/[^,:\\x00-\\x1f]{0,1023}$", "type": "string"}, "read_only": {"default": true, "type": "boolean"}}, "required": ["source", "target"], "type": "object"},
    ProcessLimits: {"additionalProperties": false, "properties": {"memory": {"anyOf": [{"pattern": "^(0|[1-9][0-9]{0,9}[kmg])$", "type": "string"}, {"type": "null"}], "default": null}, "pids": {"anyOf": [{"maximum": 1000000, "minimum": 0, "type": "integer"}, {"type": "null"}], "default": null}, "cpus": {"anyOf": [{"maximum": 1024, "minimum": 0, "type": "number"}, {"type": "null"}], "default": null}, "open_files": {"anyOf": [{"maximum": 1000000, "minimum": 0, "type": "integer"}, {"type": "null"}], "default": null}}, "type": "object"},
  },
};
