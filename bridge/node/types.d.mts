/** What crosses the bridge, as bridge/models/ has it. Times are in seconds (Unix time where a moment is meant). */

export interface Envelope {
  version?: number;
  id: string;
  session: string;
  kind: string;
  body?: Record<string, any>;
}

export interface ErrorBody {
  code: string;
  message: string;
  hint: string;
  data: Record<string, any>;
}

// --- desired state ---

export interface StdioLaunch {
  type: 'stdio';
  command: string;
  args: string[];
  env: Record<string, string>;
  cwd: string | null;
}

export interface RemoteLaunch {
  type: 'remote';
  url: string;
  headers: Record<string, string>;
  transport: 'auto' | 'sse' | 'http';
}

export interface ServerSettings {
  enabled: boolean;
  session: 'shared' | 'per_client';
  era: 'auto' | 'legacy' | 'modern';
  start_timeout: number;
  call_timeout: number;
  tool_timeouts: Record<string, number>;
  max_inflight: number;
  max_instances: number;
  /** Whether clients with different keys use the same processes. */
  share_between_keys: boolean;
  container: ContainerSettings | null;
}

/** That a stdio server runs in a container of this image. */
export interface ContainerSettings {
  image: string;
  memory: string;
  cpus: number;
  pids: number;
  network: boolean;
  mounts: { source: string; target: string; read_only: boolean }[];
  pull: 'missing' | 'always' | 'never';
  user: string | null;
  workdir: string | null;
}

export interface ServerSpec {
  key: string;
  namespace: string;
  launch: StdioLaunch | RemoteLaunch;
  settings: ServerSettings;
  /** The entry in the file is broken now; this is its last good version. */
  stale: boolean;
}

export interface WorkspaceSpec {
  name: string;
  slug: string;
  servers: string[];
  enabled: boolean;
  name_template: string;
}

export interface SnapshotId {
  epoch: number;
  revision: number;
  hash: string;
}

export interface Snapshot {
  id: SnapshotId;
  servers: ServerSpec[];
  workspaces: WorkspaceSpec[];
}

export interface Issue {
  code: string;
  severity: 'error' | 'warning' | 'info';
  /** `server:<key>`, `workspace:<name>` or `file:<name>` */
  subject: string;
  file: string;
  message: string;
  hint: string;
}

export interface Desired {
  snapshot: Snapshot;
  issues: Issue[];
  /** Path of each file read, by its role: `providers`, `workspaces`, `hub`. */
  files: Record<string, string>;
  published: SnapshotId | null;
  sidecar_error: ErrorBody | null;
}

// --- actual state ---

/** `degraded`: ready, but something of it is not served; `troubles` say what. */
export type UpstreamState = 'starting' | 'ready' | 'degraded' | 'backoff' | 'failed' | 'stopped';

export interface ServerStatus {
  key: string;
  namespace: string;
  state: UpstreamState;
  reason: ErrorBody | null;
  troubles: ErrorBody[];
  since: number;
  /** Starts that failed since it was last ready. */
  attempts: number;
  restarts: number;
  retry_at: number | null;
  transport: string;
  era: 'legacy' | 'modern' | '';
  session: 'shared' | 'per_client';
  pids: number[];
  memory_bytes: number;
  instances: number;
  server_name: string;
  server_version: string;
  tools: number;
  resources: number;
  prompts: number;
  calls_in_flight: number;
  stderr: string[];
  hints: string[];
  stale: boolean;
}

export interface WorkspaceStatus {
  name: string;
  slug: string;
  enabled: boolean;
  /** docs/states.md has what each means. */
  state: 'ready' | 'degraded' | 'starting' | 'failed' | 'empty' | 'off';
  /** Why it is not well, where that is known. */
  reason: ErrorBody | null;
  sse_url: string;
  http_url: string;
  direct_sse_url: string;
  direct_http_url: string;
  servers: string[];
  ready: number;
  tools: number;
  resources: number;
  prompts: number;
  sessions: number;
}

export interface Status {
  version: string;
  session: string;
  pid: number;
  started_at: number;
  accepted: SnapshotId | null;
  applied: SnapshotId | null;
  settled: boolean;
  source: 'adapter' | 'disk' | 'none';
  workspaces: WorkspaceStatus[];
  servers: ServerStatus[];
}

// --- requests, answers and events ---

export interface Changed {
  snapshot: SnapshotId;
}

/** What can be told of an entry of providers.json, however wrong the rest of it is. */
export interface Outline {
  namespace: string | null;
  type: 'stdio' | 'sse' | 'http' | 'websocket' | 'remote';
  command: string | null;
  /** Secrets and all. */
  url: string | null;
}

export interface ConfigFile {
  file: 'providers' | 'workspaces';
  path: string;
  /** Its text; null when it does not exist. */
  text: string | null;
  /** Its entries; null when it cannot be parsed, and `error` says why. */
  content: Record<string, any> | null;
  hash: string;
  /** Of each entry, a hash. */
  entries: Record<string, string>;
  /** Of each entry of providers.json that is an object. */
  outlines: Record<string, Outline>;
  error: ErrorBody | null;
}

export interface ImportedServer {
  key: string;
  type: string;
  outcome: 'added' | 'replaced' | 'same' | 'exists' | 'unusable';
  message: string;
}

export interface Imported {
  servers: ImportedServer[];
  workspace: string | null;
  snapshot: SnapshotId;
}

export interface Figure {
  server: string;
  tool: string;
  calls: number;
  errors: number;
  seconds: number;
  p50: number;
  p95: number;
}

export interface Sample {
  /** Of its end. */
  at: number;
  figures: Figure[];
}

export interface History {
  interval: number;
  now: number;
  samples: Sample[];
}

export interface Pong {
  pid: number;
  serves: string[];
}

/** What each kind of request is answered with. */
export interface Answers {
  desired: Desired;
  set_workspace: Changed;
  set_server: Changed;
  reload: Changed;
  config: ConfigFile;
  put_server: Changed;
  delete_server: Changed;
  put_workspace: Changed;
  delete_workspace: Changed;
  put_config: Changed;
  import: Imported;
  apply: { id: SnapshotId };
  status: Status;
  restart: Record<string, never>;
  tools: { tools: Record<string, any>[] };
  call: { result: Record<string, any> };
  logs: { records: Record<string, any>[] };
  history: History;
  ping: Pong;
}

/** A hint that something changed; `joined` first, after each connection. */
export interface BridgeEvent {
  topic: string;
  subject: string;
  data: Record<string, any>;
}
