/** The truth as pages see it: what GET /api/hub/state answers. Times are Unix time in seconds, sizes bytes. */

import type { Issue, ServerSettings, ServerStatus, WorkspaceStatus } from '../../../bridge/node/types.mjs';

export interface Told {
  code: string;
  message: string;
  hint: string;
}

export interface State {
  /** Grows by one with each change that pages were told of. */
  seq: number;
  hub: HubState;
  workspaces: WorkspaceState[];
  servers: ServerState[];
}

export interface HubState {
  /** What undo would undo. */
  last_change: import('../../../bridge/node/types.mjs').LastChange | null;
  version: string;
  at: number;
  adapter: 'ok' | 'away';
  sidecar: 'ok' | 'away';
  yamcp_ui: 'ok' | 'away' | 'none';
  /** What the files say is in force, and no server is starting. */
  settled: boolean;
  source: 'adapter' | 'disk' | 'none';
  started_at: number;
  public_url: string;
  /** HUB_PUBLIC_URL says what `public_url` is; else a page knows better. */
  published: boolean;
  /** Empty where only the front reaches the sidecar, as are the direct URLs of workspaces. */
  sidecar_url: string;
  /** Everything wants a token. */
  protected: boolean;
  issues: Issue[];
  errors: Told[];
  sessions: number;
}

export interface WorkspaceState {
  name: string;
  slug: string;
  /** Whether hub.json sets it. */
  own_slug: boolean;
  /** Earlier slugs that lead to it still. */
  aliases: string[];
  enabled: boolean;
  /** As the sidecar says; `unknown` where it is away. docs/states.md has what each means. */
  state: WorkspaceStatus['state'] | 'unknown';
  servers: string[];
  ready: number;
  tools: number;
  resources: number;
  prompts: number;
  sessions: number;
  sse_url: string;
  http_url: string;
  direct_sse_url: string;
  direct_http_url: string;
  name_template: string;
  /** Those of `servers` that are switched off in this workspace alone. */
  disabled_servers: string[];
  hash: string;
  issues: Issue[];
  error: Told | null;
}

/** A server's definition, masked, with its status; `unknown` where the sidecar is away, `invalid` where it cannot be used. */
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
  reason: Told | null;
  troubles: Told[];
  era: string;
  workspaces: string[];
  issues: Issue[];
  hash: string;
}

/** What changed from one State to the next; `hub` only where it did. */
export interface Change {
  type: 'change';
  seq: number;
  hub?: HubState;
  workspaces: WorkspaceState[];
  servers: ServerState[];
  gone: { workspaces: string[]; servers: string[] };
  order: { workspaces: string[]; servers: string[] };
}
