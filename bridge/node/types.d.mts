/** What crosses the bridge. Times are in seconds (Unix time for a moment). Written by `make generate` from bridge/models/: change those, not this. */

export type ServerState = 'starting' | 'ready' | 'degraded' | 'backoff' | 'failed' | 'stopped';

export type WorkspaceState = 'ready' | 'degraded' | 'starting' | 'failed' | 'empty' | 'off';

export type ConfigName = 'providers' | 'workspaces';

export type Launch = StdioLaunch | RemoteLaunch;

/** One message. `session` names the run of the process that sent it; an answer repeats the `id` of its request. */
export interface Envelope {
  version?: number;
  id: string;
  session: string;
  kind: string;
  body?: Record<string, any>;
}

/** An error on the wire: body of a message of kind `error`, and `reason` in a status. */
export interface ErrorBody {
  code: string;
  message: string;
  hint: string;
  data: Record<string, any>;
}

/** Call a tool of a workspace as a client would. `timeout` in seconds. */
export interface Call {
  workspace: string;
  tool: string;
  arguments?: Record<string, any>;
  timeout?: number;
}

/** Answer to `call`: the result as MCP's tools/call gives it. */
export interface CallResult {
  result: Record<string, any>;
}

/** The calls of one tool of one server that ended within a sample. Times in seconds. */
export interface Figure {
  server: string;
  tool: string;
  calls: number;
  errors: number;
  /** Of all calls together. */
  seconds: number;
  p50: number;
  p95: number;
}

/** Answer to `history`, oldest first; intervals without a call are left out. */
export interface History {
  /** Length of a sample, in seconds. */
  interval: number;
  now: number;
  samples: Sample[];
}

/** Ask for the tools of a workspace as its clients see them. */
export interface ListTools {
  workspace: string;
}

/** Answer to `logs`. */
export interface LogRecords {
  records: Record<string, any>[];
}

/** Ask for the newest log records, oldest first. */
export interface Logs {
  limit?: number;
  server?: string | null;
}

/** Ask for figures of calls, of samples that end after `since` (Unix time, seconds). */
export interface ReadHistory {
  since?: number;
  server?: string | null;
}

/** Ask for the actual state. */
export type ReadStatus = Record<string, never>;

/** Close the server's upstreams and open them anew, at once. */
export interface Restart {
  key: string;
}

/** One interval of the history; tools that were not called are left out. */
export interface Sample {
  /** Unix time of its end, in seconds. */
  at: number;
  figures: Figure[];
}

/** One server as it is. `stopped`: switched off, in no enabled workspace, or per_client with no session now. */
export interface ServerStatus {
  key: string;
  namespace: string;
  state: ServerState;
  reason: ErrorBody | null;
  /** What is wrong with a server that is `degraded`: lists that could not be read, items that are left out. */
  troubles: ErrorBody[];
  /** Unix time of the last change of state, in seconds. */
  since: number;
  /** Starts that failed since it was last ready. */
  attempts: number;
  /** Times that it was connected again after it had been ready, or was asked to restart. */
  restarts: number;
  retry_at: number | null;
  transport: string;
  era: 'legacy' | 'modern' | '';
  session: 'shared' | 'per_client';
  pids: number[];
  /** Proportional set size of its processes, as last sampled: at most a minute ago, 2 s if often asked for. */
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

/** The sidecar's whole actual state: the answer to `status`. */
export interface Status {
  version: string;
  session: string;
  pid: number;
  started_at: number;
  accepted: SnapshotId | null;
  /** The plan of this snapshot is carried out; new servers may still be starting. */
  applied: SnapshotId | null;
  /** Applied is accepted, and no server is starting. */
  settled: boolean;
  source: 'adapter' | 'disk' | 'none';
  workspaces: WorkspaceStatus[];
  servers: ServerStatus[];
}

/** Answer to `tools`: the tools as MCP's tools/list gives them. */
export interface Tools {
  tools: Record<string, any>[];
}

/** One workspace as it is served. */
export interface WorkspaceStatus {
  name: string;
  slug: string;
  enabled: boolean;
  state: WorkspaceState;
  /** Why it is not well, where that is known: of several servers, the worst one's reason. */
  reason: ErrorBody | null;
  sse_url: string;
  http_url: string;
  /** The sidecar's own address, without the front between, where it can be reached. */
  direct_sse_url: string;
  direct_http_url: string;
  servers: string[];
  /** Those of `servers` that are switched off in this workspace alone. */
  disabled_servers: string[];
  /** How many of its servers are ready; `per_client` ones count, as they start when a session needs them. */
  ready: number;
  tools: number;
  resources: number;
  prompts: number;
  sessions: number;
}

/** Answer that says only: done. */
export type Done = Record<string, never>;

/** A hint on a PUB socket that something changed; `status` is the truth (of topic `desired`: `desired` is). */
export interface BridgeEvent {
  topic: 'applied' | 'server' | 'workspace' | 'sessions' | 'log' | 'desired' | 'joined';
  subject: string;
  data: Record<string, any>;
}

/** Ask who is there. */
export type Ping = Record<string, never>;

/** Answer to `ping`, which every server of the bridge gives by itself. */
export interface Pong {
  pid: number;
  /** The kinds that it serves. */
  serves: string[];
}

/** Answer to `apply`: validated and taken over; a refusal is an `error` with `data.in_force`. */
export interface Accepted {
  id: SnapshotId;
}

/** That a stdio server runs in a container of this image, its command, arguments and variables inside. */
export interface ContainerSettings {
  image: string;
  /** All that it may use, swap included: `128m`, `1g`. */
  memory: string;
  cpus: number;
  /** Processes and threads. */
  pids: number;
  network: boolean;
  mounts: Mount[];
  pull: 'missing' | 'always' | 'never';
  /** User, or `user:group`, by name or number; none: the image's. */
  user: string | null;
  workdir: string | null;
}

/** What the adapter wants, and what it could not use: the answer to `desired`. */
export interface Desired {
  snapshot: Snapshot;
  issues: Issue[];
  /** Path of each file read, by its role: `providers`, `workspaces`, `hub`. */
  files: Record<string, string>;
  /** What the sidecar last acknowledged; none when it has not answered yet. */
  published: SnapshotId | null;
  sidecar_error: ErrorBody | null;
}

/** One thing wrong with the configuration: where, what, and what to do. Never holds a secret value. */
export interface Issue {
  code: string;
  severity: 'error' | 'warning' | 'info';
  /** What it is about: `server:<key>`, `workspace:<name>` or `file:<name>`. */
  subject: string;
  file: string;
  message: string;
  hint: string;
}

/** A directory or file of the host that a contained server sees; below one that HUB_CONTAINER_MOUNTS names. */
export interface Mount {
  source: string;
  target: string;
  read_only: boolean;
}

/** Ask for the desired state. */
export type ReadDesired = Record<string, never>;

/** A server that the hub connects to. */
export interface RemoteLaunch {
  type: 'remote';
  url: string;
  headers: Record<string, string>;
  transport: 'auto' | 'sse' | 'http' | 'websocket';
}

/** What YAMCP's format cannot say of a server; kept in hub.json. Times in seconds. */
export interface ServerSettings {
  enabled: boolean;
  session: 'shared' | 'per_client';
  era: 'auto' | 'legacy' | 'modern';
  start_timeout: number;
  call_timeout: number;
  tool_timeouts: Record<string, number>;
  max_inflight: number;
  max_instances: number;
  /** Whether clients with different keys use the same processes; by default each key has its own. */
  share_between_keys: boolean;
  container: ContainerSettings | null;
}

/** One MCP server as it should run. `key` is unique; `namespace` prefixes the names of its tools and prompts. */
export interface ServerSpec {
  key: string;
  namespace: string;
  launch: StdioLaunch | RemoteLaunch;
  settings: ServerSettings;
  /** The entry in the file is broken now; this is its last good version. */
  stale: boolean;
}

/** The whole desired state, and the request that puts it in force. */
export interface Snapshot {
  id: SnapshotId;
  servers: ServerSpec[];
  workspaces: WorkspaceSpec[];
}

/** Identity and order of a snapshot: (epoch, revision), with the hash of its content. */
export interface SnapshotId {
  epoch: number;
  revision: number;
  hash: string;
}

/** A server that the hub starts as a process and talks to over its pipes. Strings may hold `${VAR}` references. */
export interface StdioLaunch {
  type: 'stdio';
  command: string;
  args: string[];
  env: Record<string, string>;
  cwd: string | null;
}

/** A named list of servers. `slug` is its name in URLs. */
export interface WorkspaceSpec {
  name: string;
  slug: string;
  servers: string[];
  enabled: boolean;
  /** How tool and prompt names are made; `{name}` alone is the empty prefix, for a workspace of one server. */
  name_template: string;
  /** Those of `servers` that are switched off in this workspace alone. */
  disabled_servers: string[];
}

/** Answer to a change of desired state: the snapshot that holds it. */
export interface Changed {
  snapshot: SnapshotId;
}

/** Answer to `config`. */
export interface ConfigFile {
  file: ConfigName;
  path: string;
  /** Its text; none when it does not exist. */
  text: string | null;
  /** Its entries as they stand in the file; none when it cannot be parsed, and `error` says why. */
  content: Record<string, any> | null;
  /** Of the file's bytes; empty when it does not exist. What `expect` of `put_config` is compared with. */
  hash: string;
  /** Of each entry, a hash: what `expect` of the changes of one entry is compared with. */
  entries: Record<string, string>;
  /** Of each entry of providers.json that is an object. */
  outlines: Record<string, Outline>;
  error: ErrorBody | null;
}

/** Remove an entry of providers.json, and its name from the workspaces. */
export interface DeleteServer {
  key: string;
  expect?: string | null;
}

/** Remove an entry of workspaces.json. */
export interface DeleteWorkspace {
  name: string;
  expect?: string | null;
}

/** Remove what hub.json has for a server or workspace that does not exist; nothing changes where it has nothing. */
export interface ForgetSettings {
  section: 'servers' | 'workspaces';
  name: string;
}

/** Answer to `import`. */
export interface Imported {
  servers: ImportedServer[];
  workspace: string | null;
  snapshot: SnapshotId;
}

/** What became of one server of an import. */
export interface ImportedServer {
  key: string;
  type: string;
  outcome: 'added' | 'replaced' | 'same' | 'exists' | 'unusable';
  /** Why it was not taken, or what to know of it; never a secret value. */
  message: string;
}

/** Add the servers of another client's configuration. */
export interface ImportServers {
  config: Record<string, any>;
  workspace?: string | null;
  /** Whether a server that is there already gets the new definition. */
  replace?: boolean;
  dry_run?: boolean;
}

/** What can be told of an entry of providers.json, however wrong the rest of it is. */
export interface Outline {
  namespace: string | null;
  /** `remote`: it has a URL, and does not say which transport. */
  type: 'stdio' | 'sse' | 'http' | 'websocket' | 'remote';
  command: string | null;
  /** As it stands in the file, secrets and all. */
  url: string | null;
}

/** Replace the content of one of YAMCP's files; `expect`: the file's hash. */
export interface PutConfig {
  file: ConfigName;
  content: Record<string, any>;
  expect?: string | null;
}

/** Write one entry of providers.json, in YAMCP's form. */
export interface PutServer {
  key: string;
  entry: Record<string, any>;
  expect?: string | null;
  old_key?: string | null;
}

/** Write one entry of workspaces.json; `expect` and `old_name` as in PutServer. */
export interface PutWorkspace {
  name: string;
  servers: string[];
  expect?: string | null;
  old_name?: string | null;
}

/** Ask for one of YAMCP's files as it is now, secrets and all. */
export interface ReadConfig {
  file: ConfigName;
}

/** Read the files now, rather than when their change is noticed. */
export type Reload = Record<string, never>;

/** Change what hub.json says of a server; keys of `settings` left out stay. */
export interface SetServer {
  key: string;
  settings: Record<string, any>;
}

/** Change what hub.json says of a workspace; fields left out stay. */
export interface SetWorkspace {
  name: string;
  enabled?: boolean | null;
  name_template?: string | null;
  /** Members of it that are switched on or off in this workspace alone, by key; the others stay as they are. */
  servers?: Record<string, boolean>;
}

/** Make a key. `workspaces`: only these, by name; null: all. Admins have all. */
export interface AddKey {
  name: string;
  workspaces?: string[] | null;
  admin?: boolean;
}

/** A named key as it is shown: never its token, nor the hash of it. */
export interface Key {
  id: string;
  name: string;
  /** The names of those that it may use; none: all. */
  workspaces: string[] | null;
  /** Whether it opens pages and API too. */
  admin: boolean;
  /** Unix time. */
  created: number;
}

/** Answer to `add_key`: the one time that the token is told; the hub keeps its hash only. */
export interface KeyMade {
  id: string;
  token: string;
}

/** Answer to `keys`, oldest first. */
export interface Keys {
  keys: Key[];
}

/** Ask for all keys. */
export type ListKeys = Record<string, never>;

/** Remove a key, named by its id or its name. */
export interface RevokeKey {
  key: string;
}

/** Paths of PEM files. */
export interface TlsFiles {
  cert: string;
  key: string;
}

/** Where the adapter and the sidecar serve the bridge. */
export interface BridgeAddresses {
  desired: string;
  actual: string;
  events: string;
  desiredEvents: string;
}

/** Sizes in bytes, times in seconds, URLs without a slash at the end, paths absolute. No secret is among them. */
export interface FrontSettings {
  /** An address without brackets, or localhost. */
  host: string;
  port: number;
  sidecarPort: number;
  publicUrl: string | null;
  /** In lower case. */
  allowedHosts: string[];
  dataDir: string;
  runtimeDir: string;
  yamcpDir: string;
  yamcpUiDir: string | null;
  maxBodyBytes: number;
  logLevel: string;
  pingInterval: number;
  baseUrl: string;
  sidecarUrl: string;
  addresses: BridgeAddresses;
  /** Everything but /healthz and the login page wants a token; the sidecar listens on its socket, not its port. */
  protected: boolean;
  /** That of HUB_TOKEN, which itself is not told; with one, no file of a token counts. */
  tokenHash: string | null;
  tokenFile: string;
  keysFile: string;
  cookieKeyFile: string;
  frontKeyFile: string;
  sidecarSocket: string;
  /** Where it listens in place of its port: behind the acceptor. */
  ownSocket: string | null;
  yamcpUiSocket: string;
  tls: TlsFiles | null;
  /** Networks with the length of their prefix: `10.0.0.0/8`. */
  trustedProxies: string[];
}

/** The body of each kind of request. */
export interface Requests {
  ping: Ping;
  apply: Snapshot;
  desired: ReadDesired;
  status: ReadStatus;
  restart: Restart;
  tools: ListTools;
  call: Call;
  logs: Logs;
  history: ReadHistory;
  set_workspace: SetWorkspace;
  set_server: SetServer;
  forget_settings: ForgetSettings;
  reload: Reload;
  config: ReadConfig;
  put_server: PutServer;
  delete_server: DeleteServer;
  put_workspace: PutWorkspace;
  delete_workspace: DeleteWorkspace;
  put_config: PutConfig;
  import: ImportServers;
  keys: ListKeys;
  add_key: AddKey;
  revoke_key: RevokeKey;
}

/** What each kind of request is answered with. */
export interface Answers {
  ping: Pong;
  apply: Accepted;
  desired: Desired;
  status: Status;
  restart: Done;
  tools: Tools;
  call: CallResult;
  logs: LogRecords;
  history: History;
  set_workspace: Changed;
  set_server: Changed;
  forget_settings: Changed;
  reload: Changed;
  config: ConfigFile;
  put_server: Changed;
  delete_server: Changed;
  put_workspace: Changed;
  delete_workspace: Changed;
  put_config: Changed;
  import: Imported;
  keys: Keys;
  add_key: KeyMade;
  revoke_key: Done;
}
