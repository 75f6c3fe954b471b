/**
 * What pages know of the hub; front/view.mjs makes it. Times are Unix seconds.
 *
 * @typedef {{ code: string, message: string, hint: string }} Problem
 * @typedef {{ code: string, severity: 'error'|'warning'|'info', subject: string, file: string, message: string, hint: string }} Issue
 *
 * @typedef {object} Hub
 * @property {string} version
 * @property {number} at
 * @property {'ok'|'away'} adapter
 * @property {'ok'|'away'} sidecar
 * @property {'ok'|'away'|'none'} yamcp_ui
 * @property {boolean} settled
 * @property {string} source
 * @property {number} started_at
 * @property {string} public_url
 * @property {string} sidecar_url
 * @property {Issue[]} issues
 * @property {Problem[]} errors
 * @property {number} sessions
 *
 * @typedef {object} Workspace
 * @property {string} name
 * @property {string} slug
 * @property {boolean} enabled
 * @property {'on'|'starting'|'degraded'|'failed'|'empty'|'off'|'unknown'} state
 * @property {string[]} servers
 * @property {number} ready
 * @property {number} tools
 * @property {number} resources
 * @property {number} prompts
 * @property {number} sessions
 * @property {string} sse_url
 * @property {string} http_url
 * @property {string} direct_sse_url
 * @property {string} direct_http_url
 * @property {string} name_template
 * @property {string} hash
 * @property {Issue[]} issues
 * @property {Problem|null} error
 *
 * @typedef {object} Server
 * @property {string} key
 * @property {string} namespace
 * @property {'stdio'|'sse'|'http'|'remote'} type
 * @property {string} [command]
 * @property {string[]} [args]
 * @property {string|null} [cwd]
 * @property {Record<string, string>} [env]
 * @property {string} [url]
 * @property {Record<string, string>} [headers]
 * @property {Record<string, any>} settings
 * @property {boolean} enabled
 * @property {'starting'|'ready'|'backoff'|'failed'|'stopped'|'invalid'|'unknown'} state
 * @property {Problem|null} reason
 * @property {number} since
 * @property {number} attempts
 * @property {number} restarts
 * @property {number|null} retry_at
 * @property {string} transport
 * @property {string} era
 * @property {string} session
 * @property {number[]} pids
 * @property {number} memory_bytes
 * @property {number} instances
 * @property {string} server_name
 * @property {string} server_version
 * @property {number} tools
 * @property {number} resources
 * @property {number} prompts
 * @property {number} calls_in_flight
 * @property {string[]} stderr
 * @property {string[]} hints
 * @property {boolean} stale
 * @property {string[]} workspaces
 * @property {Issue[]} issues
 * @property {string} hash
 *
 * @typedef {{ seq: number, hub: Hub, workspaces: Workspace[], servers: Server[] }} State
 *
 * @typedef {object} Change
 * @property {'change'} type
 * @property {number} seq
 * @property {Hub} [hub]
 * @property {Workspace[]} [workspaces]
 * @property {Server[]} [servers]
 * @property {{ workspaces: string[], servers: string[] }} [gone]
 * @property {{ workspaces: string[], servers: string[] }} [order]
 *
 * @typedef {{ at: number, kind: 'hub'|'workspace'|'server', subject: string, text: string, tone: Tone }} Happening
 * @typedef {'ok'|'busy'|'warn'|'bad'|'off'} Tone
 */

export {};
