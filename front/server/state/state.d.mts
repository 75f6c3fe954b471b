/** The State that pages show, and that GET /api/hub/state answers. Times are Unix time in seconds, sizes in bytes. */

import type {
  HubToolStatus,
  Issue,
  LastChange,
  ServerSettings,
  ServerStatus,
  WorkspaceSpec,
  WorkspaceStatus,
} from '../../../bridge/node/types.mjs';

export interface ErrorDescription {
  code: string;
  message: string;
  hint: string;
}

export interface State {
  /** Incremented with each change that is sent to pages. */
  seq: number;
  hub: HubState;
  workspaces: WorkspaceState[];
  servers: ServerState[];
}

export interface HubState {
  /** The change that can be undone now. */
  last_change: LastChange | null;
  /** Ids of the changes that the adapter remembers, oldest first. */
  undoable: readonly string[];
  version: string;
  /** The name of this hub among its replicas; empty if it is alone. */
  replica: string;
  at: number;
  adapter: 'ok' | 'away';
  sidecar: 'ok' | 'away';
  yamcp_ui: 'ok' | 'away' | 'none';
  /** Whether the content of the files is applied, and no server is starting. */
  settled: boolean;
  source: 'adapter' | 'disk' | 'none';
  started_at: number;
  public_url: string;
  /** Whether `public_url` comes from HUB_PUBLIC_URL; otherwise a page should use its own origin instead. */
  published: boolean;
  /** Empty if only the front can connect to the sidecar; the direct URLs of workspaces are then empty, too. */
  sidecar_url: string;
  /** Whether the hub requires a token. */
  protected: boolean;
  issues: Issue[];
  errors: ErrorDescription[];
  sessions: number;
  /** Changes whenever an installation or update gets on. */
  activations: number;
  /** Proposals of agents that wait for an administrator. */
  proposals: number;
  /** Servers whose changes wait for a decision, or whose image or package has known vulnerabilities. */
  trust: number;
  /** The hub's own tools, once a workspace has shown some. */
  hub_tools: readonly HubToolStatus[];
  /** Set if the State has only what the owner owns who has asked for it. */
  role?: 'owner';
}

export interface WorkspaceState {
  name: string;
  slug: string;
  /** Whether hub.json sets the slug. */
  own_slug: boolean;
  /** Earlier slugs, whose URLs still work. */
  aliases: string[];
  enabled: boolean;
  /** The sidecar's state; `unknown` while it is away. Described in docs/states.md. */
  state: WorkspaceStatus['state'] | 'unknown';
  servers: string[];
  ready: number;
  tools: number;
  resources: number;
  prompts: number;
  /** New tools, prompts and resources that clients do not see until somebody decides on them. */
  pending: number;
  sessions: number;
  sse_url: string;
  http_url: string;
  direct_sse_url: string;
  direct_http_url: string;
  name_template: string;
  /** What the history keeps of arguments and results. */
  record: WorkspaceSpec['record'];
  /** Seconds for which results of read-only tools are kept; 0: not at all. */
  cache_read_only: number;
  /** Whether it has the hub's own tools. */
  hub_tools: boolean;
  registry: WorkspaceSpec['registry'];
  /** Whether clients find its tools by search; `tools` of WorkspaceSpec. */
  tool_search: boolean;
  /** Tools that are listed beside the search, by exposed name or pattern. */
  pinned_tools: string[];
  /** The members of `servers` that are switched off in this workspace only. */
  disabled_servers: string[];
  hash: string;
  issues: Issue[];
  error: ErrorDescription | null;
}

/** A server's definition, masked, with its status: `unknown` while the sidecar is away, `invalid` if it is unusable. */
export interface ServerState extends Omit<ServerStatus, 'state' | 'reason' | 'troubles' | 'era'> {
  type: 'stdio' | 'sse' | 'http' | 'websocket' | 'remote';
  command?: string;
  args?: string[];
  cwd?: string;
  env?: Record<string, string>;
  url?: string;
  headers?: Record<string, string>;
  settings: ServerSettings;
  enabled: boolean;
  state: ServerStatus['state'] | 'invalid' | 'unknown';
  reason: ErrorDescription | null;
  troubles: ErrorDescription[];
  era: string;
  workspaces: string[];
  issues: Issue[];
  hash: string;
}

/** The difference between two States; `hub` is present only if it changed. */
export interface Change {
  type: 'change';
  seq: number;
  hub?: HubState;
  workspaces: WorkspaceState[];
  servers: ServerState[];
  gone: { workspaces: string[]; servers: string[] };
  order: { workspaces: string[]; servers: string[] };
}
