/** A workspace, with the settings that hub.json keeps of it: defaults and limits. Written by `make generate` from bridge/models/: change those, not this. */

/** Its JSON Schema. @type {{ properties: Record<string, any> }} */
export const SCHEMA = {
  properties: {
    name: {"type": "string"},
    slug: {"pattern": "^[A-Za-z0-9_-]{1,64}$", "type": "string"},
    own_slug: {"default": false, "type": "boolean"},
    aliases: {"default": [], "items": {"pattern": "^[A-Za-z0-9_-]{1,64}$", "type": "string"}, "type": "array"},
    earlier_slug: {"anyOf": [{"pattern": "^[A-Za-z0-9_-]{1,64}$", "type": "string"}, {"type": "null"}], "default": null},
    servers: {"items": {"type": "string"}, "type": "array"},
    enabled: {"default": true, "type": "boolean"},
    name_template: {"default": "{namespace}_{name}", "type": "string"},
    disabled_servers: {"default": [], "items": {"type": "string"}, "type": "array"},
    record: {"default": "off", "enum": ["off", "sizes", "redacted", "full"], "type": "string"},
    cache_read_only: {"default": 0, "maximum": 2592000, "minimum": 0, "type": "number"},
    hub_tools: {"default": false, "type": "boolean"},
    registry: {"default": "off", "enum": ["off", "find", "ask", "add"], "type": "string"},
    tools: {"default": "all", "enum": ["all", "search"], "type": "string"},
    pinned_tools: {"default": [], "items": {"type": "string"}, "maxItems": 1000, "type": "array"},
    curation: {"anyOf": [{"$ref": "#/$defs/Curation"}, {"type": "null"}], "default": null},
  },
};
