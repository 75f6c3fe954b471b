/** What crosses the bridge. Times are in seconds (Unix time for a moment). Written by `make generate` from bridge/models/: change those, not this. */

export type ServerStateName = 'starting' | 'ready' | 'degraded' | 'sleeping' | 'sign_in_required' | 'elsewhere' | 'backoff' | 'failed' | 'stopped';

export type WorkspaceStateName = 'ready' | 'degraded' | 'starting' | 'failed' | 'empty' | 'off';

export type ConfigName = 'providers' | 'workspaces';

export type Launch = StdioLaunch | RemoteLaunch;

/** Who makes a request on the bridge, as the process says that sends it for them. */
export interface Author {
  /** The name of the key or user; empty if unknown. */
  principal?: string;
  /** Where they made it. */
  source: 'console' | 'hubctl' | 'api' | 'yamcp-ui' | 'tool';
}

/** A message. `session` identifies the sender's process run; an answer has the `id` of its request. */
export interface Envelope {
  version?: number;
  id: string;
  session: string;
  kind: string;
  body?: Record<string, any>;
  /** Of requests: who makes it. */
  by?: Author | null;
}

/** An error in messages: the body of a message of kind `error`, and `reason` in a status. */
export interface ErrorBody {
  code: string;
  message: string;
  hint: string;
  data: Record<string, any>;
}

/** The answer to `check_access_file`. */
export interface AccessChecked {
  issues: Issue[];
}

/** An answer of `explain_access` for one workspace. */
export interface AccessDecision {
  type: 'tool' | 'resource' | 'prompt';
  server: string;
  name: string;
  shown_as: string;
  allowed: boolean;
  reason: 'rule' | 'admin' | 'owner' | 'key' | 'credential' | 'none';
  rule: number | null;
  why: string;
  workspace: string;
  /** Whether the server lists such an item now; the decision holds for an item of that name in any case. */
  listed: boolean;
  /** The deciding rule. */
  text: AccessRule | null;
}

/** The answer to `explain_access`. */
export interface AccessExplained {
  subject: string;
  /** The id of the principal that the subject stands for; of a group or role: of an imagined user in it. */
  principal: string;
  role: 'admin' | 'owner' | 'user';
  /** One for each workspace and server that has such an item. */
  decisions: AccessDecision[];
}

/** One item of a server in a workspace, whether a subject may use it, and what decides that. */
export interface AccessItem {
  type: 'tool' | 'resource' | 'prompt';
  /** The key of its server. */
  server: string;
  /** The name by which the server knows it; the URI of a resource or template. */
  name: string;
  /** The name by which clients of the workspace know it. */
  shown_as: string;
  allowed: boolean;
  reason: 'rule' | 'admin' | 'owner' | 'key' | 'credential' | 'none';
  /** The index of the deciding rule in access.json, from 0; null unless the reason is `rule`. */
  rule: number | null;
  /** The reason in words. */
  why: string;
}

/** The answer to `put_access_file`. */
export interface AccessSaved {
  snapshot: SnapshotId;
  /** The hash of the file as it is now; empty if it was removed. */
  hash: string;
  /** Remarks on it; none of severity error. */
  issues: Issue[];
}

/** The answer to `access_file`. */
export interface AccessText {
  path: string;
  /** The file as it is; null if it does not exist or is not text. */
  text: string | null;
  /** The hash of the file, to be compared with that of `put_access_file`; empty if it does not exist. */
  hash: string;
  /** What is wrong with it. With an issue of severity error, its last good version is in force. */
  issues: Issue[];
  /** Whether there are rules in force: those of the file, or of its last good version. */
  in_force: boolean;
}

/** The answer to `view_as`. */
export interface AccessView {
  subject: string;
  principal: string;
  role: 'admin' | 'owner' | 'user';
  workspaces: WorkspaceAccess[];
}

/** Request what would be wrong with a text as access.json. */
export interface CheckAccessFile {
  text: string;
}

/** Ask whether a subject may use a tool, resource or prompt, and why. */
export interface ExplainAccess {
  subject: string;
  name: string;
  type?: 'tool' | 'resource' | 'prompt';
  workspace?: string | null;
  server?: string | null;
}

/** Replace the text of access.json. Refused if it is invalid. `text` null: remove the file. */
export interface PutAccessFile {
  text: string | null;
  hash?: string | null;
}

/** Request the text of access.json, and what is wrong with it. */
export type ReadAccessFile = Record<string, never>;

/** Ask what a subject sees in each workspace, and what decides on each item. */
export interface ViewAs {
  subject: string;
  /** Whether the items are wanted. All of a large hub take time to decide on, and may be too long for an answer. */
  items?: boolean;
}

/** What a subject sees of one workspace. */
export interface WorkspaceAccess {
  name: string;
  /** Whether it may use the workspace; if not, it does not exist for the subject. */
  usable: boolean;
  /** Keys of the servers of which it may use something. */
  servers: string[];
  /** Everything in the workspace, what is hidden from the subject included; empty if items are not wanted. */
  items: AccessItem[];
}

/** The whole file. It is used as a whole: if any part is invalid, the last good version stays in force. */
export interface AccessFile {
  version?: number;
  /** `own`: a key may use what keys.json gives it, unless a rule denies it; `rules`: only what rules allow. */
  keys?: 'own' | 'rules';
  roles?: RoleGrant[];
  rules?: AccessRule[];
  /** Subjects whose members use the same processes of servers with `tenancy` group; the first that fits counts. */
  tenants?: string[];
  limits?: AccessLimit[];
}

/** Limits what a subject uses (sidecar/quotas/); a limit that is missing does not apply. */
export interface AccessLimit {
  subject: string;
  servers?: string[] | null;
  tools?: string[] | null;
  requests_per_second?: number | null;
  /** Requests that may come at once; None for one second's worth. */
  burst?: number | null;
  /** Calls in progress at once. */
  concurrent?: number | null;
  sessions?: number | null;
  calls_per_day?: number | null;
  /** Bytes of requests and answers together. */
  bytes_per_day?: number | null;
}

/** Allows or denies a subject what all the given lists match. */
export interface AccessRule {
  effect: 'allow' | 'deny';
  subject: string;
  workspaces: string[] | null;
  servers: string[] | null;
  tools: string[] | null;
  resources: string[] | null;
  prompts: string[] | null;
  /** The rule is only about tools whose annotations have these values; MCP's defaults count for missing ones. */
  annotations: Record<string, boolean> | null;
}

/** Gives a subject a role. An owner is the owner of the servers and workspaces that it names, by pattern. */
export interface RoleGrant {
  subject: string;
  role: 'admin' | 'owner' | 'user';
  /** Of an owner: keys of servers. None for no server. */
  servers?: string[] | null;
  /** Of an owner: names of workspaces. None for no workspace. */
  workspaces?: string[] | null;
}

/** Send a request about a prompt or resource to a workspace as a client does. `timeout` is in seconds. */
export interface Ask {
  workspace: string;
  method: 'prompts/get' | 'resources/read' | 'completion/complete';
  params: Record<string, any>;
  timeout?: number;
}

/** The answer to `ask`: the result of the MCP request. */
export interface AskResult {
  result: Record<string, any>;
}

/** Call a tool of a workspace as a client does. `timeout` is in seconds. */
export interface Call {
  workspace: string;
  tool: string;
  arguments?: Record<string, any>;
  timeout?: number;
}

/** The answer to `call`: a result of `tools/call`. */
export interface CallResult {
  result: Record<string, any>;
}

/** The answer to `catalog`. */
export interface Catalog {
  prompts: CatalogItem[];
  resources: CatalogItem[];
  templates: CatalogItem[];
}

/** A prompt, resource or resource template as in the results of its list method. */
export interface CatalogItem {
  item: Record<string, any>;
  /** The key of the server that has it. */
  server: string;
  /** Whether the server completes arguments (`completion/complete`). */
  completes: boolean;
}

/** The calls of a tool that ended within a sample. Times are in seconds. */
export interface Figure {
  server: string;
  tool: string;
  calls: number;
  errors: number;
  /** Total duration of the calls. */
  seconds: number;
  p50: number;
  p95: number;
}

/** The answer to `history`, oldest first; intervals without calls are left out. */
export interface History {
  /** Length of an interval, in seconds. */
  interval: number;
  now: number;
  samples: Sample[];
}

/** How often one of the hub's own tools was called since the sidecar started, and whether it can work. */
export interface HubToolStatus {
  name: string;
  calls: number;
  /** Calls whose result was an error. */
  failures: number;
  /** Unix time in seconds. */
  last_used: number | null;
  /** Why it cannot work at the moment; None if nothing is known to be wrong. */
  problem: string | null;
  what_to_do: string | null;
}

/** Request the tools of a workspace as its clients see them. */
export interface ListTools {
  workspace: string;
}

/** The answer to `logs`. */
export interface LogRecords {
  records: Record<string, any>[];
  /** The replicas that were asked, if any were, by name. Then `logged_by` in each record names its replica. */
  replicas: string[];
  /** Those that did not answer. */
  unanswered: UnansweredReplica[];
}

/** Request the newest log records to which all that is given applies, oldest first. */
export interface Logs {
  limit?: number;
  server?: string | null;
  since?: number | null;
  until?: number | null;
  /** The id of the request that a record is about: the hub's (`correlation`), or the client's (`request_id`). */
  call?: string | null;
  /** The replica whose records these are, or `all`; by default the one that is asked. */
  replica?: string | null;
}

/** Request the prompts, resources and resource templates of a workspace as its clients see them. */
export interface ReadCatalog {
  workspace: string;
}

/** Request call figures of samples that end after `since` (Unix time, seconds). */
export interface ReadHistory {
  since?: number;
  server?: string | null;
}

/** Request the actual state. */
export type ReadStatus = Record<string, never>;

/** Reconnect all connections to a server, without a delay. */
export interface Restart {
  key: string;
}

/** An interval of the history; tools without calls are left out. */
export interface Sample {
  /** Unix time of the interval's end, in seconds. */
  at: number;
  figures: Figure[];
}

/** The status of a server. `stopped`: switched off, in no enabled workspace, or per_client without a session. */
export interface ServerStatus {
  key: string;
  namespace: string;
  state: ServerStateName;
  reason: ErrorBody | null;
  /** Why the server is `degraded`: lists that could not be read, items that are left out. */
  troubles: ErrorBody[];
  /** Unix time of the last change of state, in seconds. */
  since: number;
  /** Failed starts since the server was last ready. */
  attempts: number;
  /** Reconnections after the server had been ready, or on request. */
  restarts: number;
  retry_at: number | null;
  /** `open`: the server is known to be down, and requests for it fail at once instead of waiting for it. */
  breaker: 'closed' | 'open';
  transport: string;
  era: 'legacy' | 'modern' | '';
  session: 'shared' | 'per_client';
  pids: number[];
  /** Proportional set size (PSS) of its processes; at most a minute old, or 2 s if requested often. */
  memory_bytes: number;
  instances: number;
  server_name: string;
  server_version: string;
  tools: number;
  resources: number;
  prompts: number;
  calls_in_flight: number;
  stderr: string[];
  /** Of a server that is not ready: the one of these lines that says most of why. */
  stderr_line: string;
  hints: string[];
  /** How many tools, prompts and instructions differ from what was accepted, and wait for a decision. */
  changes: number;
  /** What is known of vulnerabilities of its image or installed package; null: it has neither. */
  scan: 'none' | 'waiting' | 'clean' | 'found' | 'failed' | null;
  /** The limits of its processes, each with what enforces it: `memory 256 MB (control group)`. */
  limits: string[];
  stale: boolean;
}

/** The answer to `status`: the whole actual state. */
export interface Status {
  version: string;
  /** The name of this hub among its replicas (HUB_REPLICA); empty if it is alone. */
  replica: string;
  session: string;
  pid: number;
  started_at: number;
  accepted: SnapshotId | null;
  /** The last snapshot that was carried out; its new servers may still be starting. */
  applied: SnapshotId | null;
  /** Whether the accepted snapshot is applied, and no server is starting. */
  settled: boolean;
  source: 'adapter' | 'disk' | 'none';
  /** What is amiss with the hub itself, not with a server: a Redis that does not answer. */
  troubles: ErrorBody[];
  /** What enforces the limits of stdio servers; empty until one with limits was started. */
  enforcement: string;
  workspaces: WorkspaceStatus[];
  servers: ServerStatus[];
  /** The hub's own tools, once a workspace has shown some. */
  hub_tools: HubToolStatus[];
}

/** The answer to `tools`: the tools as in a result of `tools/list`. */
export interface Tools {
  tools: Record<string, any>[];
}

/** A replica that did not answer. */
export interface UnansweredReplica {
  name: string;
  error: ErrorBody;
}

/** The status of a workspace. */
export interface WorkspaceStatus {
  name: string;
  slug: string;
  /** Its earlier slugs: URLs with them lead to it too, until another workspace takes them. */
  aliases: string[];
  enabled: boolean;
  state: WorkspaceStateName;
  /** Why the workspace is not ready, if known: the reason of the server in the worst state. */
  reason: ErrorBody | null;
  sse_url: string;
  http_url: string;
  /** The URL at the sidecar, bypassing the front; empty if the sidecar is not reachable there. */
  direct_sse_url: string;
  direct_http_url: string;
  servers: string[];
  /** Those of `servers` that are switched off in this workspace alone. */
  disabled_servers: string[];
  /** Number of ready servers; `per_client` ones count as ready, as they start when a session needs them. */
  ready: number;
  tools: number;
  resources: number;
  prompts: number;
  /** Number of items that are not shown because an administrator is to be asked first (`new: ask` of a curation). */
  pending: number;
  sessions: number;
}

/** An answer without content. */
export type Done = Record<string, never>;

/** A hint on a PUB socket that the answer to `status` (topic `desired`: to `desired`; `activation`: to `activation_jobs`; `approvals`: to `proposals`) has changed. */
export interface BridgeEvent {
  topic: 'applied' | 'server' | 'workspace' | 'sessions' | 'log' | 'desired' | 'activation' | 'approvals' | 'joined';
  subject: string;
  data: Record<string, any>;
}

/** Learn whether the server runs, and its session. */
export type Ping = Record<string, never>;

/** The answer to `ping`, which `BridgeServer` gives itself. */
export interface Pong {
  pid: number;
  /** The kinds that the server serves. */
  serves: string[];
}

/** What a workspace changes of one tool, prompt or resource. Nothing is changed where a field is not set. */
export interface CuratedItem {
  /** Whether it is shown, whatever the rules say. */
  on: boolean | null;
  /** The name in place of its server's; the workspace's template is applied to it. */
  name: string | null;
  title: string | null;
  description: string | null;
  /** Annotations of a tool that replace its server's. */
  annotations: Record<string, boolean>;
  /** Presets of a tool's arguments, by name. */
  arguments: Record<string, FixedArgument | DefaultArgument>;
}

/** Curation of the tools, prompts or resources of one server, by the server's own names (of resources: the URIs). */
export interface CuratedKind {
  /** What happens to items that are not in `known`; `ask`: they are off and shown as pending. */
  new: 'on' | 'off' | 'ask';
  /** The items that there were when an administrator last looked. */
  known: string[];
  rules: CurationRule[];
  items: Record<string, CuratedItem>;
}

/** Curation of one server in one workspace. */
export interface CuratedServer {
  tools: CuratedKind;
  prompts: CuratedKind;
  /** Resources and resource templates. */
  resources: CuratedKind;
}

/** Curation of a workspace's servers, by key. Servers that it does not name show everything as it is. */
export interface Curation {
  servers: Record<string, CuratedServer>;
}

/** Switches the items on or off that have a name that matches, and an annotation. The first that applies decides. */
export interface CurationRule {
  /** A name, or a pattern with `*`; for resources a URI. */
  match: string;
  /** The rule applies only to tools for which this annotation is true. */
  annotation: 'readOnlyHint' | 'destructiveHint' | 'idempotentHint' | 'openWorldHint' | null;
  on: boolean;
}

/** An argument that has this value where a client does not send it. Clients see the default in the schema. */
export interface DefaultArgument {
  default: any;
}

/** An argument that always has this value. Clients do not see it, and may not send it. */
export interface FixedArgument {
  value: any;
  hidden: true;
}

/** Request all items of a workspace's servers, also those that curation does not show. */
export interface ReadWorkspaceTools {
  workspace: string;
}

/** One item of a server of a workspace, as the server has it, and what the workspace makes of it. */
export interface WorkspaceItem {
  server: string;
  kind: 'tool' | 'prompt' | 'resource' | 'template';
  /** The server's own name; of resources and templates the URI. */
  name: string;
  /** The name that clients see; null if it is not shown. */
  exposed: string | null;
  title: string | null;
  description: string | null;
  annotations: Record<string, any>;
  input_schema: Record<string, any> | null;
  /** The estimated tokens that it costs in a model's context, as it is shown, or else would be without curation. */
  tokens: number;
  state: 'on' | 'off' | 'pending';
  /** What decided the state: `item`, `rule 1`, `new`; empty if nothing did. */
  why: string;
}

/** The answer to `workspace_tools`. */
export interface WorkspaceTools {
  items: WorkspaceItem[];
  /** The estimated tokens of all tools that are shown. */
  tokens: number;
}

/** The answer to `apply`: the snapshot is valid and accepted. A refusal is an `error` with `data.in_force`. */
export interface Accepted {
  id: SnapshotId;
}

/** The container in which a stdio server's command runs. */
export interface ContainerSettings {
  image: string;
  /** Memory limit, including swap: `128m`, `1g`. */
  memory: string;
  cpus: number;
  /** Limit of processes and threads. */
  pids: number;
  network: boolean;
  mounts: Mount[];
  pull: 'missing' | 'always' | 'never';
  /** User, or `user:group`, by name or number; null for the image's user. */
  user: string | null;
  workdir: string | null;
}

/** What the adapter wants, and what it could not use: the answer to `desired`. */
export interface Desired {
  snapshot: MaskedSnapshot;
  issues: Issue[];
  /** Path of each file read, by its role: `providers`, `workspaces`, `hub`. */
  files: Record<string, string>;
  /** What the sidecar last acknowledged; none when it has not answered yet. */
  published: SnapshotId | null;
  sidecar_error: ErrorBody | null;
  /** The change that `undo` would undo. */
  last_change: LastChange | null;
  /** The ids of the changes that the adapter remembers, oldest first: `undo` undoes one of them if nobody has changed its entries since. */
  undoable: string[];
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

/** The last change that was made over the bridge and not undone. */
export interface LastChange {
  id: string;
  at: number;
  /** In words, such as `server 'a' removed`. */
  summary: string;
}

/** A snapshot as people may see it: secret values in its servers' launches are masked. */
export interface MaskedSnapshot {
  id: SnapshotId;
  servers: ServerSpec[];
  workspaces: WorkspaceSpec[];
}

/** A directory or file of the host in a server's container; it must be below a directory of HUB_CONTAINER_MOUNTS. */
export interface Mount {
  source: string;
  target: string;
  read_only: boolean;
}

/** Limits of a stdio server with all its processes. None: the hub's default (HUB_SERVER_...); 0: no limit. */
export interface ProcessLimits {
  /** Memory, including swap: `256m`, `1g`. */
  memory: string | null;
  /** Processes and threads. */
  pids: number | null;
  /** Processors. */
  cpus: number | null;
  /** Open files of each process. */
  open_files: number | null;
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

/** Settings of a server in hub.json, which YAMCP's format does not have. Times are in seconds. */
export interface ServerSettings {
  enabled: boolean;
  session: 'shared' | 'per_client';
  era: 'auto' | 'legacy' | 'modern';
  /** `lazy`: the first request for a shared server starts it; until then its last known lists are shown. */
  start: 'eager' | 'lazy';
  /** Stop a shared server that nobody has used for so long; the next request starts it. 0: never. */
  idle_stop: number;
  start_timeout: number;
  /** For the connection to a remote server, without the handshake. */
  connect_timeout: number;
  call_timeout: number;
  /** `call_timeout` of single tools, by name or by a pattern with `*`. */
  tool_timeouts: Record<string, number>;
  /** A call without progress for so long is given up; each progress notification resets it. 0: no limit. */
  idle_timeout: number;
  /** `idle_timeout` of single tools, by name or by a pattern with `*`. */
  tool_idle_timeouts: Record<string, number>;
  /** Time between two checks of a server that has no requests in progress. 0: no checks. */
  health_interval: number;
  max_inflight: number;
  max_instances: number;
  /** Who shares the server's process: nobody (each key and user has its own), the members of a tenant of access.json, or all. What it applies to is `shared_by`. */
  tenancy: 'own' | 'group' | 'all';
  /** The older form of `tenancy` all. */
  share_between_keys: boolean;
  /** Of several replicas, each runs the server, or only one at a time (docs/cluster.md). */
  placement: 'each' | 'one';
  /** How long results of tools are kept, by name or by a pattern with `*`; an equal call gets the kept one. */
  cache: Record<string, number>;
  /** Whether a kept result is for the clients of every key; by default for those of the same key. */
  cache_shared: boolean;
  container: ContainerSettings | null;
  /** What the history keeps of the arguments and results of its requests; `workspace`: what the workspace says. */
  record: 'workspace' | 'off' | 'sizes' | 'redacted' | 'full';
  limits: ProcessLimits | null;
  /** Whether the process of a shared stdio server stays, with what it has in memory, when the sidecar is replaced. */
  keep: boolean;
  /** What happens when the server changes its tools, prompts, resource templates or instructions after they were first seen: nothing is looked at, changes are shown to people, or they are also withheld from clients until they are accepted (docs/trust.md). */
  changes: 'allow' | 'warn' | 'block';
  /** How the hub signs in at a remote server with OAuth: not at all, for each of its users, or once for all of them (docs/upstream-sign-in.md). */
  sign_in: 'none' | 'user' | 'shared';
  /** The client id under which the hub is registered at the server's authorization server, for `sign_in`; null: the hub registers itself. */
  oauth_client_id: string | null;
  /** A reference to the secret of that client: `${NAME}`, never the secret itself. */
  oauth_client_secret: string | null;
}

/** A configured MCP server. `key` is unique; `namespace` is the prefix of its tools' and prompts' names. */
export interface ServerSpec {
  key: string;
  namespace: string;
  launch: StdioLaunch | RemoteLaunch;
  settings: ServerSettings;
  /** Whether the entry in the file is invalid now; this is its last valid version. */
  stale: boolean;
}

/** The whole desired state, and the request that applies it. */
export interface Snapshot {
  id: SnapshotId;
  servers: ServerSpec[];
  workspaces: WorkspaceSpec[];
  /** The roles, rules, tenants and limits of access.json; null if there is no such file. */
  access?: AccessFile | null;
}

/** The identity of a snapshot: epoch and revision, which define the order, and the hash of its content. */
export interface SnapshotId {
  epoch: number;
  revision: number;
  hash: string;
}

/** A server that the hub starts as a process and reaches over its pipes. Strings may contain `${VAR}` references. */
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
  /** Whether hub.json sets its slug; else it is made of its name. */
  own_slug: boolean;
  /** Its earlier slugs, newest first: URLs with them lead to it too. */
  aliases: string[];
  /** The slug that the first versions of the hub made of its name, if another; URLs with it lead to it too. */
  earlier_slug: string | null;
  servers: string[];
  enabled: boolean;
  /** Template of tool and prompt names; `{name}` alone, without a prefix, suits a workspace of one server. */
  name_template: string;
  /** Those of `servers` that are switched off in this workspace alone. */
  disabled_servers: string[];
  /** What the history keeps of the arguments and results of requests, unless the server says otherwise. */
  record: 'off' | 'sizes' | 'redacted' | 'full';
  /** How long results of tools are kept that declare `readOnlyHint` and `idempotentHint` (seconds). 0: not at all. */
  cache_read_only: number;
  /** Whether it has the hub's own tools (docs/hub-tools.md). */
  hub_tools: boolean;
  /** Which registry tools it has, with which clients find and add servers. */
  registry: 'off' | 'find' | 'ask' | 'add';
  /** Whether clients are shown all its tools, or find them with `hub_search_tools`. */
  tools: 'all' | 'search';
  /** Tools that are listed beside the search, by exposed name or pattern. */
  pinned_tools: string[];
  /** Which items of its servers it shows, and how; null: all, as they are. */
  curation: Curation | null;
}

/** The answer to a change of desired state: the first snapshot that contains it. */
export interface Changed {
  snapshot: SnapshotId;
}

/** The answer to `config`. */
export interface ConfigFile {
  file: ConfigName;
  path: string;
  /** The file's text, with secret values masked; null if it does not exist or cannot be parsed. */
  text: string | null;
  /** The entries as in the file, with secret values masked; null if it cannot be parsed (see `error`). */
  content: Record<string, any> | null;
  /** The hash of the file, to be compared with `expect` of `put_config`; empty if it does not exist. */
  hash: string;
  /** The hash of each entry, to be compared with `expect` of changes of an entry. */
  entries: Record<string, string>;
  /** The outline of each entry of providers.json that is an object. */
  outlines: Record<string, Outline>;
  error: ErrorBody | null;
}

/** Delete an entry of providers.json, and remove it from all workspaces. */
export interface DeleteServer {
  key: string;
  expect?: string | null;
}

/** Delete an entry of workspaces.json. */
export interface DeleteWorkspace {
  name: string;
  expect?: string | null;
}

/** Add a copy of a server or workspace under another name, with its settings; a server gets its own namespace. */
export interface Duplicate {
  section: 'servers' | 'workspaces';
  name: string;
  to: string;
}

/** Do one thing to several servers and workspaces in one change: to all of them, or (an error) to none. */
export interface EditMany {
  action: 'enable' | 'disable' | 'join' | 'leave' | 'delete';
  servers?: string[];
  workspaces?: string[];
}

/** Request servers as a configuration for elsewhere; `servers`: their keys, null for all. */
export interface Export {
  form: 'client' | 'providers';
  servers?: string[] | null;
  secrets?: boolean;
}

/** The answer to `export`. */
export interface Exported {
  config: Record<string, any>;
  /** Names of the variables that stand in it for secrets. */
  variables: string[];
}

/** Remove what hub.json has for a server or workspace that does not exist; nothing changes where it has nothing. */
export interface ForgetSettings {
  section: 'servers' | 'workspaces';
  name: string;
}

/** The answer to `import`. */
export interface Imported {
  servers: ImportedServer[];
  workspace: string | null;
  snapshot: SnapshotId;
}

/** The outcome for one server of an import. */
export interface ImportedServer {
  key: string;
  type: string;
  outcome: 'added' | 'replaced' | 'same' | 'exists' | 'unusable';
  /** Why it was not imported, or a remark; without secret values. */
  message: string;
}

/** Add the servers of another client's configuration. */
export interface ImportServers {
  config: Record<string, any>;
  workspace?: string | null;
  /** Whether existing servers are replaced. */
  replace?: boolean;
  dry_run?: boolean;
}

/** A summary of an entry of providers.json, which may be invalid otherwise. */
export interface Outline {
  namespace: string | null;
  /** `remote`: it has a URL, but no transport. */
  type: 'stdio' | 'sse' | 'http' | 'websocket' | 'remote';
  command: string | null;
  /** With its secret parts masked. */
  url: string | null;
}

/** Replace the content of one of YAMCP's files; masked values in it stand for the stored ones. */
export interface PutConfig {
  file: ConfigName;
  content: Record<string, any>;
  expect?: string | null;
}

/** Write one entry of providers.json, in YAMCP's form; masked values in it stand for the stored ones. */
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

/** Request the current content of one of YAMCP's files. Secret values in it are masked. */
export interface ReadConfig {
  file: ConfigName;
}

/** Read the files now, without waiting until a change is noticed. */
export type Reload = Record<string, never>;

/** Change a server's settings in hub.json; omitted keys of `settings` are not changed. */
export interface SetServer {
  key: string;
  settings: Record<string, any>;
}

/** Change a workspace's settings in hub.json; omitted fields are not changed. */
export interface SetWorkspace {
  name: string;
  enabled?: boolean | null;
  name_template?: string | null;
  /** Its name in URLs; empty: what follows from its name. The slug that it had becomes an alias. */
  slug?: string | '' | null;
  /** As in `WorkspaceSpec`. */
  cache_read_only?: number | null;
  /** Aliases that no longer lead to it. */
  remove_aliases?: string[];
  record?: 'off' | 'sizes' | 'redacted' | 'full' | null;
  hub_tools?: boolean | null;
  registry?: 'off' | 'find' | 'ask' | 'add' | null;
  tools?: 'all' | 'search' | null;
  pinned_tools?: string[] | null;
  /** Replaces the whole curation; one without servers removes it. */
  curation?: Curation | null;
  /** The hash of the curation that it replaces: if there is another by now, nothing is changed (EDIT_CONFLICT). */
  expect_curation?: string | null;
  /** Members of it that are switched on or off in this workspace alone, by key; the others stay as they are. */
  servers?: Record<string, boolean>;
}

/** Undo a change that was made over the bridge: write the entries as they were before it. */
export interface Undo {
  /** The id of the change (one of `Desired.undoable`); if omitted, the last one. */
  change?: string | null;
}

/** The answer to `undo`. */
export interface Undone {
  snapshot: SnapshotId;
  /** What was undone. */
  summary: string;
}

/** Put stored secret values into a whole providers.json that is masked, as `unmask_server` does. */
export interface UnmaskConfig {
  content: Record<string, any>;
}

/** The answer to `unmask_server` and `unmask_config`: the same with the stored values in it. */
export interface Unmasked {
  content: Record<string, any>;
}

/** Put stored secret values into an entry that is masked, for a program that writes the file itself: YAMCP-UI. */
export interface UnmaskServer {
  entry: Record<string, any>;
  key?: string | null;
}

/** Record a browser login, so that it can be ended and survives a restart. Refused with PRINCIPAL_UNKNOWN. */
export interface BeginLogin {
  /** The nonce in the browser's cookie. */
  id: string;
  principal: string;
  /** Unix time. */
  until: number;
  /** The id of the session at the provider, if it says one. */
  sid?: string;
  issuer?: string;
}

/** The answer to `register_client`. */
export interface ClientRegistered {
  id: string;
  /** Unix time. */
  issued_at: number;
}

/** The answer to `issue_code`. */
export interface CodeIssued {
  code: string;
}

/** End a grant. Its tokens are refused within a second. Refused with NO_SUCH_GRANT. */
export interface EndGrant {
  id: string;
  /** The principal that asks, which can end its own grants only; null: one that can end any. */
  principal?: string | null;
}

/** End the logins to which all that is given applies, and something is: one login, those of a principal, or those of a session or subject at a provider (OpenID Connect Back-Channel Logout). */
export interface EndLogins {
  issuer?: string | null;
  sub?: string | null;
  sid?: string | null;
  id?: string | null;
  principal?: string | null;
  /** End the grants that were allowed in these logins, too. */
  grants?: boolean;
}

/** Remove a user, given by id or e-mail address: all grants and logins end. The provider can let the user sign in again. Refused with NO_SUCH_USER. */
export interface EndUser {
  user: string;
}

/** Request a registered client. Refused with NO_SUCH_CLIENT if it is unknown, or its registration has expired. */
export interface FindClient {
  id: string;
}

/** What a principal has allowed a client: the use of one workspace, until the grant ends. */
export interface Grant {
  id: string;
  client: string;
  client_name: string;
  /** The host (and port) of the redirect URI, or the scheme of one that has no host: it shows where tokens went. */
  redirect_host: string;
  /** The id of the principal. */
  principal: string;
  /** Its name now: of a key, or of a user; empty if it is gone. */
  principal_name: string;
  workspace: string;
  scopes: string[];
  /** When it was made (Unix time). */
  at: number;
  /** When a request last came with one of its tokens, to about a minute (Unix time); null if none did. */
  last_used: number | null;
  /** When it ends unless it is refreshed (Unix time). */
  expires: number;
}

/** The answer to `list_grants`, newest first. */
export interface Grants {
  grants: Grant[];
}

/** Make an authorization code after a principal has allowed a client to use a workspace. It can be redeemed once, within a minute, by the process that made it, or any hub that shares its grants. Refused with NO_SUCH_CLIENT, CLIENT_INVALID (another redirect URI than the client registered), NO_SUCH_WORKSPACE, PRINCIPAL_UNKNOWN, OAUTH_OFF. */
export interface IssueCode {
  /** A registered id, or the URL of a Client ID Metadata Document, which the front has checked. */
  client: string;
  client_name: string;
  redirect_uri: string;
  /** PKCE's `code_challenge` by S256 (RFC 7636); no other method is supported. */
  challenge: string;
  /** The name of the workspace that the resource is an endpoint of. */
  workspace: string;
  scopes?: string[];
  /** `admin`, the id of a key, or the id of a user. */
  principal: string;
  /** The resource as the client named it (RFC 8707); empty if it named none. */
  resource?: string;
  /** The id of the browser login in which a user allowed it; empty for the hub's token and keys. */
  login?: string;
}

/** Request the grants in force: those of a principal (its id), or all. */
export interface ListGrants {
  principal?: string | null;
}

/** Request the users who have signed in. */
export type ListUsers = Record<string, never>;

/** The answer to `find_client`: a registered client. */
export interface OAuthClient {
  /** `c` and 16 hexadecimal digits, or the URL of its Client ID Metadata Document. */
  id: string;
  name: string;
  redirect_uris: string[];
  /** Its home page, as it says. */
  uri: string;
  /** When it registered (Unix time). */
  at: number;
  /** When a user last allowed it something (Unix time); null for one that was never used. */
  used: number | null;
}

/** Exchange an authorization code for tokens, which makes a grant. A code that comes again ends its grant. Refused with OAUTH_GRANT_INVALID. */
export interface RedeemCode {
  code: string;
  client: string;
  /** Empty if the client does not repeat it (OAuth 2.1, section 10.2). */
  redirect_uri: string;
  /** PKCE's `code_verifier`. */
  verifier: string;
  /** Empty: that of the code. */
  resource?: string;
}

/** Exchange a refresh token for new tokens. The one before the newest is good for another minute, in case that the answer was lost; an older one ends the grant, because it was copied. Refused with OAUTH_GRANT_INVALID. */
export interface RefreshGrant {
  refresh_token: string;
  client: string;
  /** Empty: that of the grant. */
  resource?: string;
  /** None: those of the grant; else a part of them, for the new access token. */
  scopes?: string[];
}

/** Register a public client (RFC 7591). An unused registration expires after an hour, others 90 days after their last use. Refused with CLIENT_INVALID, TOO_MANY_CLIENTS. */
export interface RegisterClient {
  name: string;
  redirect_uris: string[];
  uri?: string;
  /** The URL of a Client ID Metadata Document, which is the client's id; empty: the adapter makes an id. */
  id?: string;
}

/** End the grant of an access or refresh token (RFC 7009). One that is unknown, or another client's, is ignored. */
export interface RevokeToken {
  token: string;
  /** The client that asks; empty: whoever has the token. */
  client?: string;
}

/** Record a user whom an OpenID provider has just identified, with the provider's claims. */
export interface SignInUser {
  issuer: string;
  sub: string;
  name?: string;
  /** An address that the provider has verified, else empty. */
  email?: string;
  groups?: string[];
  roles?: string[];
}

/** The answer to `redeem_code` and `refresh_grant`: the only messages with these tokens, of which the hub stores hashes. */
export interface Tokens {
  access_token: string;
  refresh_token: string;
  /** Seconds for which the access token is valid. */
  expires_in: number;
  scopes: string[];
  /** The id of the grant: `g` and 16 hexadecimal digits. */
  grant: string;
}

/** A user of an OpenID provider. */
export interface User {
  id: string;
  issuer: string;
  sub: string;
  name: string;
  email: string;
  groups: string[];
  roles: string[];
  /** When the user last signed in at the provider (Unix time). */
  at: number;
  /** Number of browser logins. */
  logins: number;
  /** Number of grants in force. */
  grants: number;
}

/** The answer to `sign_in_user`. */
export interface UserId {
  /** `u` and 15 hexadecimal digits, which depend on issuer and subject alone. */
  id: string;
}

/** The answer to `list_users`, by name. */
export interface Users {
  users: User[];
}

/** Create a key. `workspaces`: the names of the workspaces that it may use; null for all, as for admins. */
export interface AddKey {
  name: string;
  workspaces?: string[] | null;
  admin?: boolean;
}

/** A named key, without its token and hash. */
export interface Key {
  id: string;
  name: string;
  /** The names of the workspaces that it may use; null for all. */
  workspaces: string[] | null;
  /** Whether it also gives access to pages and API. */
  admin: boolean;
  /** Unix time. */
  created: number;
  /** When a request last came with it (Unix time), to about a minute; null if none is known of. */
  last_used: number | null;
}

/** The answer to `add_key`: the only message with the token, of which the hub stores a hash. */
export interface KeyMade {
  id: string;
  token: string;
}

/** The answer to `keys`, oldest first. */
export interface Keys {
  keys: Key[];
}

/** The answer to `key_uses`. */
export interface KeyUses {
  /** When a request last came with each named key (Unix time), by its id; since the server started. */
  uses: Record<string, number>;
  /** The same for OAuth grants. */
  grants: Record<string, number>;
}

/** Request all keys. */
export type ListKeys = Record<string, never>;

/** Tell when keys were last used for pages and the API. Times earlier than known ones count for nothing. */
export interface NoteKeyUses {
  uses: Record<string, number>;
}

/** Request when the keys were last used at endpoints. */
export type ReadKeyUses = Record<string, never>;

/** Delete a key, given by its id or its name. */
export interface RevokeKey {
  key: string;
}

/** The answer to `limits_state`. The principals with the newest refusals come first, then those that use most. */
export interface LimitsState {
  /** Where is counted: nowhere, as there are no limits; in this process; in the Redis of HUB_LIMITS_URL; or in this process because that Redis does not answer. */
  store: 'off' | 'memory' | 'shared' | 'shared_away';
  principals: PrincipalLimits[];
  /** The number of principals with limits that have made requests. */
  total: number;
}

/** One limit of a principal, and how much of it is used. */
export interface LimitUse {
  kind: 'rate' | 'concurrent' | 'sessions' | 'calls_per_day' | 'bytes_per_day';
  /** The patterns of the servers that it is about; null for all. */
  servers: string[] | null;
  /** The patterns of the tools that it is about; null for all calls. */
  tools: string[] | null;
  /** Requests per second for `rate`, else a number. */
  limit: number;
  /** Of `rate`: how many requests may come at once. */
  burst: number;
  /** Of `rate`: how many of the burst are used now. Of the others: calls in progress, open sessions, calls or bytes of the day. */
  used: number;
}

/** The limits of a principal that has made requests. */
export interface PrincipalLimits {
  id: string;
  name: string;
  kind: 'key' | 'user';
  uses: LimitUse[];
  /** How many requests and sessions were refused since the sidecar started, by kind of limit. */
  refused: Record<string, number>;
  /** Unix time of the last refusal. */
  last_refused: number | null;
  /** The code of its error. */
  last_code: string;
  last_server: string;
  /** Where the limit was one of a server or tool: which one was called. */
  last_tool: string;
}

/** Request what principals have used of their limits. */
export interface ReadLimits {
  /** Most principals in the answer. */
  limit?: number;
}

/** One recorded call with its arguments and result: JSON text, cut and redacted as configured; None if not kept. */
export interface CallDetails {
  call: CallRecord;
  arguments: string | null;
  result: string | null;
  /** Whether arguments or result were longer than what is kept. */
  cut: boolean;
}

/** One request of a client to a server, or one that the hub refused. */
export interface CallRecord {
  /** Assigned by the store, for all replicas that share it; a later record has a higher id. */
  id: number;
  /** When the request entered. */
  at: number;
  /** From its entry to its answer. */
  seconds: number;
  /** Seconds of these in which it waited for the server's gate. */
  waited: number;
  workspace: string;
  /** The session's id as in `SessionStatus`; empty for modern clients. */
  session: string;
  /** The name of the key, or of the user; `local` for console and hubctl; `everybody` in a hub without a token. */
  principal: string;
  /** The client's address; only of requests that were refused before their message was read. */
  address: string;
  transport: string;
  era: 'legacy' | 'modern' | '';
  method: string;
  /** The server's key; empty if none was asked. */
  server: string;
  /** The tool's name at its server, or the name of the prompt or the URI of the resource. */
  tool: string;
  /** `ok`, `tool_error`, `error`, `cancelled`, `disconnected`, `refused`, or the code of the hub's error. */
  outcome: string;
  /** The code of the hub's error; of a refused request as well. */
  code: string;
  correlation: string;
  /** The trace id (32 hexadecimal digits), if the client sent one. */
  trace: string;
  /** Bytes; None unless the workspace or the server records sizes. */
  arguments_size: number | null;
  result_size: number | null;
  /** The name of the hub's replica that recorded it (HUB_REPLICA); empty if it had none. */
  replica: string;
}

/** Recorded calls, newest first. */
export interface CallRecords {
  calls: CallRecord[];
  /** For the next page: `before` of its request (or `after`, if this request had one); None if this is the last one. A request looks at a bounded number of records. A page may therefore hold fewer than `limit`, even none, although there is a next one: ask on. */
  next: number | null;
  /** The highest id stored: `after`, to follow from here. */
  last: number;
}

/** One change of the configuration. */
export interface ChangeRecord {
  id: number;
  at: number;
  /** Who made it; empty if unknown, as for an edit of a file. */
  principal: string;
  /** Where it was made, as in `Author`; `file`: an edit of a file. */
  source: 'console' | 'hubctl' | 'api' | 'yamcp-ui' | 'file' | 'tool';
  /** The request's kind, such as `put_server`, or `file` for an edit that was seen in a file. */
  kind: string;
  /** The server or workspace, or the number of entries. */
  subject: string;
  /** The adapter's id of the change, for `undo` (`LastChange.id`); empty if the hub did not make it. */
  change: string;
  /** The content hash of the configuration before. */
  before: string;
  after: string;
  /** A unified diff of the configuration with secrets masked, cut at 64 KiB. */
  diff: string;
  /** As in `CallRecord`. */
  replica: string;
}

/** Recorded changes, newest first. */
export interface ChangeRecords {
  changes: ChangeRecord[];
  /** As in `CallRecords`. */
  next: number | null;
  last: number;
}

/** Analyse, vacuum and check the indexes of the database; with `dry_run` only say what would be done. */
export interface OptimizeRecords {
  dry_run?: boolean;
}

/** What was done, or would be. */
export interface OptimizeReport {
  steps: OptimizeStep[];
  /** Bytes. */
  before: number;
  after: number;
}

/** One step of `optimize_records`. */
export interface OptimizeStep {
  /** `analyze`, `vacuum`, `index …`, `retention`. */
  name: string;
  /** What it would bring, in figures where known. */
  reason: string;
  done: boolean;
  seconds: number;
}

/** Read one recorded call with arguments and result, as far as they were kept. */
export interface ReadCall {
  id: number;
}

/** Read recorded calls, newest first (by the time at which they entered). Empty filters match all. */
export interface ReadCalls {
  /** Only those that entered at this time or later. */
  since?: number;
  /** Only those that entered before. */
  until?: number | null;
  workspace?: string;
  server?: string;
  tool?: string;
  principal?: string;
  session?: string;
  /** An outcome, or `failed` for all but `ok`. */
  outcome?: string;
  correlation?: string;
  replica?: string;
  /** Only those older than the record with this id. */
  before?: number | null;
  /** Only those with a higher id, in order of ids, which is that of their ends: for following. */
  after?: number | null;
  /** Seconds to wait for records, if there are none after `after`. */
  wait?: number;
  limit?: number;
}

/** Read recorded changes of the configuration, newest first. Empty filters match all. */
export interface ReadChanges {
  since?: number;
  until?: number | null;
  principal?: string;
  source?: string;
  subject?: string;
  replica?: string;
  before?: number | null;
  after?: number | null;
  /** Seconds to wait for records, if there are none after `after`. */
  wait?: number;
  limit?: number;
}

/** Read which principals have called. */
export interface ReadRecordedPrincipals {
  limit?: number;
}

/** Read recorded sessions, newest first. */
export interface ReadRecordedSessions {
  workspace?: string;
  replica?: string;
  limit?: number;
}

/** Learn the state of the recorder and its database. */
export type ReadRecordsStatus = Record<string, never>;

/** Read recorded sign-ins, newest first. */
export interface ReadSignIns {
  since?: number;
  replica?: string;
  before?: number | null;
  limit?: number;
}

/** Read figures of a range of time, by one property of the calls. */
export interface ReadUsage {
  range: 'hour' | 'day' | 'month';
  by?: 'tool' | 'principal' | 'server' | 'workspace' | 'replica';
  workspace?: string;
  server?: string;
  /** How many names are told apart: those with most calls. */
  limit?: number;
}

/** A principal of recorded calls. */
export interface RecordedPrincipal {
  name: string;
  /** When its first recorded call entered. */
  first: number;
  last: number;
  calls: number;
}

/** Principals, the one seen last first. */
export interface RecordedPrincipals {
  principals: RecordedPrincipal[];
}

/** A client's session, as far as it was recorded. */
export interface RecordedSession {
  id: string;
  workspace: string;
  principal: string;
  transport: string;
  /** The client's name and version, as it says. */
  client: string;
  began: number;
  ended: number | null;
  calls: number;
  /** As in `CallRecord`: the one that had it last. */
  replica: string;
}

/** Recorded sessions, newest first. */
export interface RecordedSessions {
  sessions: RecordedSession[];
}

/** The state of the recorder and its database. */
export interface RecordsStatus {
  state: 'ok' | 'behind' | 'unavailable' | 'full';
  /** Why it is not `ok`: what happened, and what to do. */
  reason: string;
  code: string;
  database: 'sqlite' | 'postgresql' | 'memory';
  schema_version: number;
  /** Stored calls; an estimate for large databases. */
  calls: number;
  oldest: number | null;
  /** Bytes of the database. */
  size: number | null;
  /** Bytes that wait in the spool. */
  spooled: number;
  /** Records that could not be kept, since the store was created. */
  lost: number;
  /** The name of this replica of the hub (HUB_REPLICA). */
  replica: string;
  /** Those whose records the database has, this one included; empty if this one has no name. With `sqlite` it is this one alone: each replica has a database of its own. */
  replicas: string[];
}

/** One sign-in at the console, or one attempt that was refused. */
export interface SignInRecord {
  id: number;
  at: number;
  principal: string;
  address: string;
  /** `token`, `key`, … */
  way: string;
  /** `ok`, or the code of the error. */
  outcome: string;
  /** As in `CallRecord`. */
  replica: string;
}

/** Recorded sign-ins, newest first. */
export interface SignInRecords {
  sign_ins: SignInRecord[];
  /** As in `CallRecords`. */
  next: number | null;
  last: number;
}

/** Figures by interval, oldest first. */
export interface Usage {
  /** Seconds. */
  interval: number;
  /** One for each name and interval with calls. */
  points: UsagePoint[];
  /** One for each interval with calls, of all names together; `name` is empty. */
  all: UsagePoint[];
  /** One for each name over the whole range, most calls first, then `(others)`; before them one with an empty name, of all calls. `at` is the range's begin. Quantiles cannot be summed, so the store estimates those of each. */
  totals: UsagePoint[];
}

/** Calls within one interval. Quantiles of the duration in seconds are estimated from buckets. */
export interface UsagePoint {
  /** The interval's begin. */
  at: number;
  /** The tool (`server/tool`), principal, server, workspace or replica; `(others)` for all beyond the busiest. */
  name: string;
  calls: number;
  failed: number;
  /** The sum of the durations. */
  seconds: number;
  p50: number;
  p95: number;
  p99: number;
}

/** One refused request: what its head says, without any header that may be a credential. */
export interface FrontRefusal {
  /** The code of the front's error. */
  code: string;
  /** The path without its query, cut to this length. */
  path: string;
  /** The client's address. */
  address: string;
  /** The header Mcp-Method; empty without one. */
  method?: string;
  /** The header MCP-Protocol-Version; empty without one. */
  version?: string;
}

/** Tell of requests that were refused since the last message. `omitted` ones were too many to be told of. */
export interface NoteRefusals {
  refusals: FrontRefusal[];
  omitted?: number;
}

/** Open no more sessions, and hand those that there are to other replicas; asked again, tell how far that is. */
export type Drain = Record<string, never>;

/** How far a replica is that is to stop. */
export interface DrainState {
  /** Since when it drains. */
  seconds: number;
  /** Connections of clients with a request or a stream. */
  busy: number;
  /** Requests that came after HUB_DRAIN_SECONDS: the load balancer still sends some here. */
  late: number;
  /** Whether it may be stopped: nothing is in progress any more, or HUB_DRAIN_TIMEOUT is over. */
  done: boolean;
}

/** End a session, with all that is under way for it. */
export interface EndSession {
  id: string;
}

/** Request the newest sessions of a workspace, by name or slug; without one, of all. */
export interface ListSessions {
  workspace?: string | null;
  limit?: number;
}

/** The requests of modern clients over Streamable HTTP to a workspace. They have no session. */
export interface Sessionless {
  workspace: string;
  /** The name of the key that they came with; empty for the hub's own token, and in a hub that asks for none. */
  principal: string;
  requests: number;
  /** Unix time. */
  last_request: number | null;
  /** How many streams of `subscriptions/listen` are open, those on SSE sessions included. */
  listening: number;
}

/** The answer to `sessions`: the newest ones first, and how many there are. */
export interface Sessions {
  total: number;
  sessions: SessionStatus[];
  sessionless: Sessionless[];
}

/** A client's session at a workspace. */
export interface SessionStatus {
  /** The first 12 characters of the session's id behind the name of its replica: they open nothing. */
  id: string;
  workspace: string;
  transport: 'sse' | 'http';
  /** Empty for an SSE stream on which nothing was requested yet. */
  era: 'legacy' | 'modern' | '';
  protocol_version: string;
  /** As the client says; empty for a session that an earlier process of the hub began, and that was resumed. */
  client_name: string;
  client_version: string;
  /** The names of the capabilities that the client declared. */
  capabilities: string[];
  /** The name of the key that opened it; empty in a hub that asks for none. */
  principal: string;
  /** Unix time when it began, or was resumed. */
  since: number;
  requests: number;
  /** Unix time. */
  last_request: number | null;
  resumed: boolean;
}

/** Begin a sign-in at a server, for the principal that is logged in at the browser. */
export interface BeginUpstreamSignIn {
  /** The server's key. */
  server: string;
  /** Id of the principal of the browser's login; empty in an unprotected hub. */
  principal?: string;
  /** Whether it may sign in for all clients (`shared`). */
  admin?: boolean;
  /** A secret that only this browser has. */
  browser: string;
  /** The address of the hub's `/connect/callback` as the browser reaches it. */
  redirect_uri: string;
  /** The public https URL of the hub's client metadata document; empty if there is none. */
  client_metadata?: string;
  /** Whom the link was made for that the user followed; null for one that was made for nobody in particular. */
  for_principal?: string | null;
}

/** Sign out at a server: revoke the tokens where that is possible, and delete them. */
export interface EndUpstreamSignIn {
  /** The server's key; empty for all servers. */
  server?: string;
  /** Id of the principal whose sign-in ends. */
  principal?: string;
  /** Whether it may end a sign-in of all clients (`shared`). */
  admin?: boolean;
}

/** Finish a sign-in with what the authorization server's redirect says (RFC 6749, 4.1.2; RFC 9207). */
export interface FinishUpstreamSignIn {
  state: string;
  principal?: string;
  browser: string;
  code?: string;
  iss?: string | null;
  error?: string;
  error_description?: string;
}

/** Request the state of the sign-ins of one principal at all servers with `sign_in`. */
export interface ListUpstreamSignIns {
  /** Its id, as in a browser login; empty in an unprotected hub. */
  principal?: string;
  /** Also request those of all other principals; for administrators. */
  every_owner?: boolean;
}

/** A sign-in at a server with `sign_in`, or the lack of one. It contains no token. */
export interface UpstreamSignIn {
  /** The server's key. */
  server: string;
  mode: 'user' | 'shared';
  /** Id of the principal whose credential it is. Empty: that of all clients (`shared`), of the hub's token, or of everybody in an unprotected hub. */
  owner: string;
  signed_in: boolean;
  /** The authorization server that issued the tokens. */
  issuer: string;
  scopes: string[];
  /** Unix time of the sign-in. */
  since: number | null;
  /** Unix time at which the access token ends; null if that is not known. */
  expires: number | null;
  /** Whether the hub can get new access tokens without the user. */
  refreshable: boolean;
  /** Why nobody is signed in, if the hub knows more than that nobody has signed in yet. */
  reason: ErrorBody | null;
}

/** The answer to `begin_upstream_sign_in`. */
export interface UpstreamSignInBegun {
  /** The address at the authorization server to which the user's browser is to go. */
  url: string;
  /** The authorization server. */
  issuer: string;
  server: string;
  namespace: string;
  mode: 'user' | 'shared';
  /** The scopes that the hub asks for. */
  scopes: string[];
}

/** The answer to `upstream_sign_ins`. */
export interface UpstreamSignIns {
  sign_ins: UpstreamSignIn[];
}

/** One setting of an entry that its user may give, or that the entry fixes. */
export interface CatalogInput {
  /** Unique in the entry; `values` and `secrets` of `activate` refer to it. */
  name: string;
  /** Where its value goes: an environment variable, an argument, a header, or a part of the URL. */
  kind: 'variable' | 'argument' | 'header' | 'url';
  label: string;
  description: string;
  required: boolean;
  secret: boolean;
  default: string | null;
  choices: string[];
  format: 'string' | 'number' | 'boolean' | 'filepath';
  /** Whether it may have several values. */
  repeated: boolean;
  /** The value that the entry sets, which nobody can change. */
  fixed: string | null;
  /** An example of a value, for forms. */
  placeholder: string;
}

/** One installation or update, in progress or ended. */
export interface ActivationJob {
  id: string;
  action: 'activate' | 'update';
  /** The server's key in providers.json. */
  key: string;
  /** The entry's name in the catalogue. */
  name: string;
  version: string;
  state: 'waiting' | 'installing' | 'checking' | 'adding' | 'done' | 'failed' | 'cancelled';
  /** What it does now, for people. */
  step: string;
  /** The last line of the installer that tells something; without secret values. */
  line: string;
  /** How many tools the server listed when it was started; null before. */
  tools: number | null;
  /** What its user should know although it succeeded, such as: the server has no tools without its settings. */
  note: string;
  error: ErrorBody | null;
  began: number;
  ended: number | null;
}

/** The answer to `activation_jobs`: the jobs since the adapter's start, newest first. */
export interface ActivationJobs {
  jobs: ActivationJob[];
}

/** The answer to `activate`. */
export interface JobStarted {
  /** The id of the job; an event `activation` announces each change of it. */
  job: string;
  key: string;
}

/** Install an entry of the catalogue, add it to providers.json, and put it into workspaces. */
export interface Activate {
  name: string;
  /** The newest one that the catalogue has, if omitted. */
  version?: string | null;
  source?: string | null;
  /** The key in providers.json; if omitted, it is made of the entry's name. */
  key?: string | null;
  /** By the names of inputs. For a secret one only a reference to a variable that exists: `${NAME}`. */
  values?: Record<string, string | string[]>;
  /** Values of secret inputs. They go to variables.json, and nowhere else. */
  secrets?: Record<string, string>;
  /** Created if they do not exist. */
  workspaces?: string[];
}

/** Ask for the jobs of activation. */
export type ReadActivationJobs = Record<string, never>;

/** Cancel a job that has not ended; what it installed is removed. */
export interface CancelActivation {
  id: string;
}

/** A server that was activated from the catalogue. */
export interface InstalledServer {
  key: string;
  /** The entry's name in the catalogue. */
  name: string;
  source: string;
  /** Of what is installed. */
  version: string;
  /** The version of its entry in the catalogue, which may be another one. */
  entry_version: string;
  /** The version to which `roll_back_installed` returns. */
  previous: string | null;
  /** `hub`: a program of the hub, which serves a file of the user. */
  kind: 'npm' | 'pypi' | 'mcpb' | 'oci' | 'hub' | 'remote';
  /** Below HUB_DATA_DIR; empty for images and remote servers. */
  folder: string;
  /** The program and its arguments, as in providers.json; secrets are references. */
  command: string[];
  /** What was installed: the integrity of the npm package, the SHA-256 of the wheel or file, or the image's digest. */
  digest: string;
  /** When, in seconds since the epoch. */
  installed: number;
  /** Whether providers.json still has an entry with this key. */
  in_use: boolean;
}

/** The answer to `installed_servers`. */
export interface InstalledServers {
  servers: InstalledServer[];
}

/** Ask which servers were activated from the catalogue. */
export type ReadInstalled = Record<string, never>;

/** The answer to `update_installed`. */
export interface UpdateStarted {
  /** The id of the job; null if the server is of this version of its entry already, and nothing is done. */
  job: string | null;
  key: string;
  /** Of the entry. */
  version: string;
}

/** Install another version of an activated server, with the same settings. */
export interface UpdateInstalled {
  key: string;
  /** The newest one that the catalogue has, if omitted. */
  version?: string | null;
  /** Also install the version that is installed: its package, or the entry itself, may have changed. */
  reinstall?: boolean;
}

/** Return to the version of an activated server before its last update; it is still installed. */
export interface RollBackInstalled {
  key: string;
}

/** The answer to `remove_installed`. */
export interface Removed {
  snapshot: SnapshotId;
  /** Names in variables.json that only this server used; `remove_variable` removes them. */
  variables: string[];
}

/** Remove an activated server: its entry, its place in workspaces, and its folder; its variables stay. */
export interface RemoveInstalled {
  key: string;
}

/** A name to which definitions refer as `${NAME}`, or that variables.json has. Never its value. */
export interface Variable {
  name: string;
  /** `file`: variables.json, which comes before the hub's environment. */
  set_in: 'file' | 'environment' | 'none';
  /** Keys of servers. */
  used_by: string[];
}

/** The answer to `variables`. */
export interface Variables {
  variables: Variable[];
}

/** Ask for the names of variables; their values never leave the hub. */
export type ReadVariables = Record<string, never>;

/** Set variables in variables.json; servers that use them are started again with the new values. */
export interface SetVariables {
  values: Record<string, string>;
}

/** Remove a variable from variables.json; a variable of the hub's environment with that name counts again. */
export interface RemoveVariable {
  name: string;
}

/** Who called a registry tool, as the sidecar has authenticated them. The adapter decides what they may do. */
export interface Caller {
  /** As `Principal.id`: empty for everybody in a hub that asks for no credentials. */
  id: string;
  name?: string;
  /** Whether they came with an OAuth grant, which is for one workspace and never for an administrator's rights. */
  grant?: boolean;
  /** As `Principal.subjects`: by what access.json may name them. */
  subjects?: string[];
}

/** What would run, exactly: an administrator approves this and nothing else. */
export interface Shown {
  /** The entry's name in the catalogue. */
  name: string;
  version: string;
  source: string;
  /** What is installed: kind, name and version; or the address of a remote server. */
  package: string;
  /** The command line, with `{input}` for each value of the settings. */
  command: string[];
  /** Values of settings that are no secrets, by name, with the defaults. */
  variables: Record<string, string[]>;
  /** Names of the secret settings that the server needs, which are entered when it is approved. */
  secrets: string[];
  /** What the server may reach and gets, one sentence each. */
  reach: string[];
}

/** A change that somebody has asked for who may not make it. */
export interface Proposal {
  id: string;
  state: 'pending' | 'approved' | 'refused' | 'expired' | 'failed';
  action: 'add' | 'remove' | 'configure';
  /** The id of the principal who asked; empty for a hub without credentials. */
  principal: string;
  principal_name: string;
  workspace: string;
  /** The server's key in providers.json. */
  key: string;
  /** Why, in the words of who asked: untrusted text. */
  reason: string;
  shown: Shown;
  /** Of everything that would run; `approve_proposal` names it. */
  digest: string;
  created: number;
  expires: number;
  decided: number | null;
  decided_by: string;
  /** The activation that the approval has started. */
  job: string;
  /** Why the state is `failed`. */
  error: ErrorBody | null;
}

/** The answer to `proposals`, newest first. */
export interface Proposals {
  proposals: Proposal[];
}

/** Ask for the proposals that wait, and the last ones that were decided. */
export type ListProposals = Record<string, never>;

/** Carry out a proposal, if what it would run is still what its digest says. */
export interface ApproveProposal {
  id: string;
  digest: string;
  /** Values of secret settings, by name. */
  secrets?: Record<string, string>;
}

/** Refuse a proposal that waits. */
export interface RefuseProposal {
  id: string;
}

/** The right to enter some secrets once, on a page of the hub, for the principal it was made for. */
export interface SecretTicket {
  /** Names the ticket to those who wait for it; it opens nothing. */
  id: string;
  url: string;
  expires: number;
}

/** An entry of the catalogue that `registry_find` found. */
export interface RegistryEntry {
  name: string;
  version: string;
  title: string;
  /** In the words of its publisher: untrusted text. */
  description: string;
  source: string;
  /** The settings that its user may give. */
  inputs: CatalogInput[];
}

/** The answer to `registry_find`, best first. */
export interface RegistryFound {
  entries: RegistryEntry[];
  /** How many further entries match. */
  more: number;
}

/** Search the catalogue for a caller who may: its workspace has at least `find`. */
export interface RegistryFind {
  caller: Caller;
  workspace: string;
  text: string;
  limit?: number;
}

/** What became of a change that a registry tool asked for. */
export interface RegistryOutcome {
  outcome: 'done' | 'started' | 'proposed' | 'secrets_needed';
  key: string;
  /** With `started`: the activation. */
  job: string;
  /** With `proposed`. */
  proposal: Proposal | null;
  /** With `secrets_needed`: where a person enters them; then the change goes on. */
  ticket: SecretTicket | null;
  /** Whether a removed server was uninstalled, because nobody else uses it. */
  uninstalled: boolean;
}

/** Put a server of the catalogue into a workspace, or propose it, as the caller's rights are. */
export interface RegistryAdd {
  caller: Caller;
  workspace: string;
  name: string;
  version?: string | null;
  source?: string | null;
  /** Settings that are no secrets, by name. */
  values?: Record<string, string | string[]>;
  reason?: string;
}

/** Take a server out of a workspace, and uninstall it if a registry tool has added it and nobody else uses it. */
export interface RegistryRemove {
  caller: Caller;
  workspace: string;
  server: string;
  reason?: string;
}

/** Change settings of a server that was activated from the catalogue. */
export interface RegistryConfigure {
  caller: Caller;
  workspace: string;
  server: string;
  /** Settings that are no secrets, by name. */
  values?: Record<string, string>;
  /** Names of secret settings that a person is to enter. */
  secrets?: string[];
  reason?: string;
}

/** The answer to `registry_progress`: of what was asked for, what the caller has asked for. */
export interface RegistryProgress {
  job: ActivationJob | null;
  proposal: Proposal | null;
  ticket: 'waiting' | 'used' | 'expired' | null;
  /** Keys of the servers that registry tools have added to the workspace. */
  added: string[];
}

/** Ask for a job, proposal or ticket of one's own. */
export interface ReadRegistryProgress {
  caller: Caller;
  workspace: string;
  id?: string;
}

/** One secret that a person is asked for. */
export interface SecretAsked {
  name: string;
  description: string;
}

/** The answer to `secret_question`: what the page of a ticket asks for. */
export interface SecretQuestion {
  server: string;
  package: string;
  workspace: string;
  secrets: SecretAsked[];
  expires: number;
}

/** Ask what a ticket is for. `principal`, `admin`: who has opened the page. */
export interface ReadSecretQuestion {
  ticket: string;
  principal: string;
  admin?: boolean;
}

/** Hand over the values of a ticket, and go on with what waits for them. The ticket ends with it. */
export interface RedeemSecretTicket {
  ticket: string;
  principal: string;
  admin?: boolean;
  values: Record<string, string>;
}

/** A hub that shares the configuration, as it said last. */
export interface Replica {
  name: string;
  /** The version of the configuration that it has. */
  epoch: number;
  hash: string;
  /** When it said so (Unix time). */
  seen: number;
}

/** The answer to `cluster`. */
export interface ClusterState {
  /** Where the configuration comes from; `files`: the hub shares it with no other. */
  source: 'files' | 'database' | 'directory';
  /** Where the source is, without secrets. */
  target: string;
  /** `empty`: nothing was imported yet. `unavailable`: the last good copy is in use, and edits are refused. */
  state: 'alone' | 'current' | 'empty' | 'unavailable';
  /** Since when it is in this state (Unix time). */
  since: number;
  /** Why it is unavailable. */
  error: ErrorBody | null;
  replica: string;
  /** The version of the configuration that this hub has: it grows by 1 with each change by any hub. */
  epoch: number;
  /** Of all documents; equal in all hubs that have the same. */
  hash: string;
  /** The files that the source has. */
  documents: string[];
  /** The hubs with a name that share it, by name. */
  replicas: Replica[];
}

/** Ask where the configuration comes from, and which version each hub has. */
export type ReadCluster = Record<string, never>;

/** The answer to `import_config`. */
export interface ConfigImported {
  epoch: number;
  /** The documents that differed in the database and are replaced, or would be. */
  written: string[];
  removed: string[];
}

/** Write a whole configuration into the database: that of this hub's files, unless `documents` has another one. */
export interface ImportConfig {
  documents?: Record<string, string> | null;
  /** Replace a different configuration that is there. */
  replace?: boolean;
  dry_run?: boolean;
}

/** The answer to `export_config`. */
export interface ConfigExported {
  epoch: number;
  /** The texts of the documents, secrets included. */
  documents: Record<string, string>;
  /** Of these, and of this hub's files, those that differ from each other. */
  differing: string[];
  /** Where this hub has its own settings. */
  directory: string;
}

/** Ask for the whole configuration of the database. Without `dry_run`, this hub's files become equal to it. */
export interface ExportConfig {
  dry_run?: boolean;
}

/** What was checked of an entry, and when (dates, ISO 8601); null: it was not. */
export interface CatalogChecked {
  /** The version was in its package registry. */
  registry: string | null;
  /** The server was started. */
  started: string | null;
  /** How many tools it listed then. */
  tools: number | null;
}

/** An entry in a list. */
export interface CatalogSummary {
  name: string;
  title: string;
  /** In the words of its publisher: untrusted text. */
  description: string;
  version: string;
  source: string;
  category: string;
  status: 'active' | 'deprecated' | 'deleted';
  /** Whether it works without keys or accounts. */
  without_keys: boolean;
  note: string;
  checked: CatalogChecked;
  /** The keys of the servers that were added from it. */
  installed: string[];
}

/** Where entries come from. */
export interface CatalogSource {
  id: string;
  title: string;
  /** Of a registry. */
  url: string | null;
  entries: number;
  /** When the copy of a registry was last brought up to date (Unix time); null: never, or the source is local. */
  fetched: number | null;
  /** Whether that is being done now, or is about to be. */
  refreshing: boolean;
  /** Why that failed the last time. */
  error: ErrorBody | null;
}

/** The answer to `catalog_find`, best first. */
export interface CatalogPage {
  entries: CatalogSummary[];
  /** The number of entries that fit. */
  total: number;
  sources: CatalogSource[];
  /** Of the entries that fit apart from the category, by name. */
  categories: string[];
}

/** Search the catalogue by words; all entries without a text. */
export interface CatalogFind {
  text?: string;
  source?: string | null;
  category?: string | null;
  /** Only entries that need no keys and no accounts. */
  without_keys?: boolean;
  limit?: number;
  offset?: number;
}

/** The answer to `catalog_show`. */
export interface CatalogCard {
  /** The entry as it is (server.json). */
  entry: Record<string, any>;
  summary: CatalogSummary;
  /** Those that the source has, newest first. */
  versions: string[];
  /** What would run, or the URL, with `{input}` for each value that the user gives; empty if it cannot be used. */
  command: string[];
  /** What it may reach and gets, one sentence each. */
  reach: string[];
  inputs: CatalogInput[];
  /** Why the hub cannot activate it. */
  problem: ErrorBody | null;
}

/** Show one entry, what it would run and what it asks for. */
export interface CatalogShow {
  /** Its name, or the last part of it where no other entry of the source has that. */
  name: string;
  version?: string | null;
  source?: string | null;
}

/** Add an own entry (server.json), or replace the one of that name and version. */
export interface PutCatalogEntry {
  entry: Record<string, any>;
}

/** Remove an own entry, in all versions. Servers that were added from it stay. */
export interface RemoveCatalogEntry {
  name: string;
}

/** The answer to `catalog_sources`, in the order in which they are searched. */
export interface CatalogSourceList {
  sources: CatalogSource[];
}

/** Ask for the sources of the catalogue, with their age and their last error. */
export type ReadCatalogSources = Record<string, never>;

/** Add a registry as a source, or change it, and begin to copy its entries. */
export interface PutCatalogSource {
  id: string;
  /** The address before `/v0.1/servers`. */
  url: string;
  title?: string;
}

/** Remove a registry and the copy of its entries. Servers that were added from it stay. */
export interface RemoveCatalogSource {
  id: string;
}

/** Begin to bring the copy of a registry up to date; `refreshing` of the source tells when that is done. */
export interface RefreshCatalogSource {
  id: string;
}

/** What a replica says of itself. */
export interface ReplicaReport {
  state: 'starting' | 'serving' | 'draining' | 'stopped' | 'lost';
  version: string;
  /** Seconds since its sidecar started. */
  uptime: number;
  /** The configuration that it got last. */
  accepted?: SnapshotId | null;
  /** The configuration that it serves. */
  applied?: SnapshotId | null;
  sessions?: number;
  calls_in_flight?: number;
  /** Its connections to servers, or processes of them. */
  servers?: number;
  servers_failing?: number;
  /** The codes of what is amiss with it. */
  troubles?: string[];
}

/** A replica as another one knows it. */
export interface ReplicaStatus {
  state: 'starting' | 'serving' | 'draining' | 'stopped' | 'lost';
  version: string;
  uptime: number;
  accepted: SnapshotId | null;
  applied: SnapshotId | null;
  sessions: number;
  calls_in_flight: number;
  servers: number;
  servers_failing: number;
  troubles: string[];
  name: string;
  /** Seconds since it reported. */
  age: number;
  /** Whether it serves the configuration that the answering replica got last. */
  up_to_date: boolean;
}

/** The answer to `replicas`. */
export interface ReplicasState {
  /** How replicas tell each other of themselves; `off`: this hub is no replica, or no way is configured. */
  transport: 'off' | 'redis';
  /** The name of the answering replica. */
  own: string;
  /** Why the other replicas are not known. */
  error: ErrorBody | null;
  /** The configuration that the answering replica got last. */
  wanted: SnapshotId | null;
  /** By name. */
  replicas: ReplicaStatus[];
  /** How many replicas report and have not stopped. The sums are about these. */
  live: number;
  /** How many of them serve `wanted`. */
  up_to_date: number;
  sessions: number;
  calls_in_flight: number;
}

/** Request the states of all replicas. */
export type ReadReplicas = Record<string, never>;

/** What a server offers differently from its pin, or since its pins were made (docs/trust.md). */
export interface ToolChange {
  server: string;
  kind: 'tool' | 'prompt' | 'template' | 'instructions';
  /** The server's own name of it: the URI template of a resource template, empty for its instructions. */
  name: string;
  change: 'new' | 'changed';
  /** Whether it is kept from clients until it is accepted (`changes: block`, or it is rejected). */
  pending: boolean;
  /** Whether an administrator has rejected it: it is no longer reported, and stays kept from clients. */
  rejected: boolean;
  /** When the hub saw it first (Unix time, seconds); after a restart of the hub, anew. */
  since: number;
  /** SHA-256 of what the server offers now: what accepting it pins. */
  digest: string;
  /** The pinned form as JSON; null if there was none, or it was too long to be kept. */
  before: string | null;
  /** What the server offers now, as JSON; cut if it is very long. */
  after: string;
  /** Lines of both forms that differ, as a unified diff without a head. */
  diff: string[];
  /** What offline checks of the texts found: hints, never a verdict. */
  hints: string[];
}

/** The answer to `tool_changes`, by server and name. */
export interface ToolChanges {
  changes: ToolChange[];
  /** Servers whose definition has changed since they were pinned, by key: when their new pins were begun. */
  renewed: Record<string, number>;
  /** Of tools and prompts as they are pinned: what offline checks found, by `server kind name`. */
  hints: Record<string, string[]>;
}

/** Ask what differs from the pins: of all servers with `changes` warn or block, of one, or of a workspace's. */
export interface ReadToolChanges {
  server?: string | null;
  workspace?: string | null;
}

/** The answer to `accept_tool_changes`. */
export interface ToolsAccepted {
  /** The names that were pinned anew; `instructions` for the instructions. */
  accepted: string[];
}

/** Pin what a server offers now. */
export interface AcceptToolChanges {
  server: string;
  tools?: string[] | null;
  digests?: string[];
}

/** The answer to `reject_tool_changes`. */
export interface ToolsRejected {
  /** The names of what is rejected; `instructions` for the instructions. */
  rejected: string[];
}

/** Keep what a server offers now from clients, and no longer report it; fields as of `accept_tool_changes`. */
export interface RejectToolChanges {
  server: string;
  tools?: string[] | null;
  digests?: string[];
}

/** The SBOM of one image or installed package, as CycloneDX JSON. */
export interface Sbom {
  /** `none`: there is no generator. `kept`: `read_sbom` has it. */
  state: 'none' | 'waiting' | 'kept' | 'failed';
  /** SHA-256 (hex) of the document. */
  digest: string;
  /** What made it, with its version. */
  generator: string;
  /** `CycloneDX`, with the version of the format. */
  form: string;
  /** When it was made (Unix time, seconds). */
  at: number | null;
  /** Bytes of the document. */
  size: number;
  /** Components that it lists. */
  components: number;
  /** Why it could not be made, or is not. */
  reason: string;
  /** When it is tried again after a failure (Unix time, seconds). */
  retry_at: number | null;
}

/** What is known of one image or installed package. */
export interface Scan {
  /** `image:NAME` or `package:KEY OF THE SERVER`. */
  subject: string;
  /** The image's name, or the package's with its version. */
  name: string;
  servers: string[];
  /** `none`: no scanner is installed, and none has before. `clean`: the scanner that is named found nothing then. */
  state: 'none' | 'waiting' | 'clean' | 'found' | 'failed';
  /** The image's id, or the integrity of the package, where it is known. */
  digest: string;
  /** What names exactly this elsewhere: `NAME@sha256:...` of a pulled image, the integrity of a package from its registry; empty if it is unknown, as for an image that was built here. */
  pinned: string;
  /** Name of the scanner that ran, with its version if it reported; empty if none did. */
  scanner: string;
  /** When the scanner's database was made (Unix time, seconds); null: the scanner does not say. */
  database: number | null;
  /** When the last scan began (Unix time, seconds). */
  at: number | null;
  critical: number;
  high: number;
  /** Vulnerabilities found, by severity; `other` are those of lower or unknown severity. */
  other: number;
  /** Why the scan failed, or is not made. */
  reason: string;
  /** When a failed scan is tried again (Unix time, seconds). */
  retry_at: number | null;
  /** What it consists of, where a generator is installed (docs/trust.md). */
  sbom: Sbom;
}

/** The answer to `scans`: images and packages of the servers, by subject. */
export interface Scans {
  scans: Scan[];
}

/** Ask for the state of all scans. */
export type ReadScans = Record<string, never>;

/** Scan an image or package again, and make its SBOM anew; `subject` as in `scans`, null for all. */
export interface Rescan {
  subject?: string | null;
}

/** The answer to `read_sbom`. */
export interface SbomText {
  digest: string;
  /** The document, CycloneDX JSON. */
  text: string;
}

/** Ask for the SBOM of an image or package; `subject` as in `scans`. Refused with `SBOM_UNKNOWN` if none is kept. */
export interface ReadSbom {
  subject: string;
}

/** Paths of the PEM files of certificate and key. */
export interface TlsFiles {
  cert: string;
  key: string;
}

/** The addresses at which the adapter, the sidecar and the recorder serve the bridge. */
export interface BridgeAddresses {
  desired: string;
  actual: string;
  events: string;
  desiredEvents: string;
  /** None: the hub keeps no history (HUB_HISTORY). */
  records: string | null;
}

/** How users sign in at an OpenID Connect provider (`bridge.settings.oidc`). */
export interface OidcClient {
  issuer: string;
  clientId: string;
  /** None: a public client. */
  clientSecretFile: string | null;
  clientAuth: 'basic' | 'post';
  /** Of the provider, on the sign-in button. */
  name: string;
  scopes: string;
  groupsClaim: string;
  rolesClaim: string;
  /** The claim that must be true for an e-mail address to count; `always`: none. */
  emailRule: 'email_verified' | 'xms_edov' | 'always';
  /** Claims that the ID token lacks are requested from the userinfo endpoint. */
  asksUserinfo: boolean;
  /** Domains whose users may sign in, in lower case; empty: everybody. */
  domains: string[];
  sessionSeconds: number;
}

/** The settings. Sizes in bytes, times in seconds, URLs without trailing slash, absolute paths. No secrets. */
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
  /** All routes but /healthz and the login page require a token; the sidecar listens on its socket, not its port. */
  protected: boolean;
  /** The hash of HUB_TOKEN; if it is set, the token file is ignored. */
  tokenHash: string | null;
  tokenFile: string;
  keysFile: string;
  cookieKeyFile: string;
  frontKeyFile: string;
  /** The directory in which it leaves sign-ins for the recorder; None: the hub keeps no history. */
  spool: string | null;
  spoolMaxBytes: number;
  sidecarSocket: string;
  /** Where it listens in place of its port: behind the acceptor. */
  ownSocket: string | null;
  yamcpUiSocket: string;
  tls: TlsFiles | null;
  /** Networks in CIDR notation: `10.0.0.0/8`. */
  trustedProxies: string[];
  /** The hub is a replica behind a load balancer (HUB_REPLICA). */
  replica: boolean;
  /** Its sidecar hands requests to other replicas while it stops (HUB_REPLICAS). */
  handsOver: boolean;
  /** How long requests for endpoints that are in progress may go on when the front stops. */
  stopTimeout: number;
  /** None: users cannot sign in at a provider. */
  oidc: OidcClient | null;
  /** The journal of credentials (`bridge/credentials/`), with users and browser logins. */
  journalFile: string;
  /** The roles that access.json gives, as the adapter has applied them. */
  rolesFile: string;
  /** The hub is an authorization server for MCP clients (HUB_OAUTH): it is protected, and this is not switched off. */
  oauth: boolean;
  oauthLoopbackClients: boolean;
  /** The external authorization server whose tokens clients present instead (HUB_JWT_ISSUER). */
  jwtIssuer: string | null;
  /** The scopes that its tokens need. */
  jwtScopes: string[];
}

/** The body of each kind of request. */
export interface Requests {
  ping: Ping;
  cluster: ReadCluster;
  import_config: ImportConfig;
  export_config: ExportConfig;
  curation: ReadCuration;
  workspace_tools: ReadWorkspaceTools;
  apply: Snapshot;
  desired: ReadDesired;
  replicas: ReadReplicas;
  drain: Drain;
  tool_changes: ReadToolChanges;
  accept_tool_changes: AcceptToolChanges;
  reject_tool_changes: RejectToolChanges;
  scans: ReadScans;
  rescan: Rescan;
  read_sbom: ReadSbom;
  set_workspace: SetWorkspace;
  set_server: SetServer;
  forget_settings: ForgetSettings;
  reload: Reload;
  config: ReadConfig;
  unmask_server: UnmaskServer;
  unmask_config: UnmaskConfig;
  put_server: PutServer;
  delete_server: DeleteServer;
  put_workspace: PutWorkspace;
  delete_workspace: DeleteWorkspace;
  put_config: PutConfig;
  import: ImportServers;
  edit_many: EditMany;
  duplicate: Duplicate;
  undo: Undo;
  export: Export;
  access_file: ReadAccessFile;
  check_access_file: CheckAccessFile;
  put_access_file: PutAccessFile;
  explain_access: ExplainAccess;
  view_as: ViewAs;
  status: ReadStatus;
  restart: Restart;
  tools: ListTools;
  call: Call;
  catalog: ReadCatalog;
  ask: Ask;
  logs: Logs;
  history: ReadHistory;
  search_tools: SearchTools;
  activate: Activate;
  activation_jobs: ReadActivationJobs;
  cancel_activation: CancelActivation;
  installed_servers: ReadInstalled;
  update_installed: UpdateInstalled;
  roll_back_installed: RollBackInstalled;
  remove_installed: RemoveInstalled;
  variables: ReadVariables;
  set_variables: SetVariables;
  remove_variable: RemoveVariable;
  proposals: ListProposals;
  approve_proposal: ApproveProposal;
  refuse_proposal: RefuseProposal;
  registry_find: RegistryFind;
  registry_add: RegistryAdd;
  registry_remove: RegistryRemove;
  registry_configure: RegistryConfigure;
  registry_progress: ReadRegistryProgress;
  secret_question: ReadSecretQuestion;
  redeem_secret_ticket: RedeemSecretTicket;
  catalog_find: CatalogFind;
  catalog_show: CatalogShow;
  put_catalog_entry: PutCatalogEntry;
  remove_catalog_entry: RemoveCatalogEntry;
  catalog_sources: ReadCatalogSources;
  put_catalog_source: PutCatalogSource;
  remove_catalog_source: RemoveCatalogSource;
  refresh_catalog_source: RefreshCatalogSource;
  find_client: FindClient;
  register_client: RegisterClient;
  issue_code: IssueCode;
  redeem_code: RedeemCode;
  refresh_grant: RefreshGrant;
  revoke_token: RevokeToken;
  list_grants: ListGrants;
  end_grant: EndGrant;
  sign_in_user: SignInUser;
  begin_login: BeginLogin;
  end_logins: EndLogins;
  list_users: ListUsers;
  end_user: EndUser;
  keys: ListKeys;
  add_key: AddKey;
  revoke_key: RevokeKey;
  key_uses: ReadKeyUses;
  note_key_uses: NoteKeyUses;
  limits_state: ReadLimits;
  read_calls: ReadCalls;
  read_call: ReadCall;
  read_usage: ReadUsage;
  read_changes: ReadChanges;
  read_sign_ins: ReadSignIns;
  read_recorded_sessions: ReadRecordedSessions;
  read_recorded_principals: ReadRecordedPrincipals;
  records_status: ReadRecordsStatus;
  optimize_records: OptimizeRecords;
  note_refusals: NoteRefusals;
  sessions: ListSessions;
  end_session: EndSession;
  upstream_sign_ins: ListUpstreamSignIns;
  begin_upstream_sign_in: BeginUpstreamSignIn;
  finish_upstream_sign_in: FinishUpstreamSignIn;
  end_upstream_sign_in: EndUpstreamSignIn;
}

/** What each kind of request is answered with. */
export interface Answers {
  ping: Pong;
  cluster: ClusterState;
  import_config: ConfigImported;
  export_config: ConfigExported;
  curation: CurationNow;
  workspace_tools: WorkspaceTools;
  apply: Accepted;
  desired: Desired;
  replicas: ReplicasState;
  drain: DrainState;
  tool_changes: ToolChanges;
  accept_tool_changes: ToolsAccepted;
  reject_tool_changes: ToolsRejected;
  scans: Scans;
  rescan: Done;
  read_sbom: SbomText;
  set_workspace: Changed;
  set_server: Changed;
  forget_settings: Changed;
  reload: Changed;
  config: ConfigFile;
  unmask_server: Unmasked;
  unmask_config: Unmasked;
  put_server: Changed;
  delete_server: Changed;
  put_workspace: Changed;
  delete_workspace: Changed;
  put_config: Changed;
  import: Imported;
  edit_many: Changed;
  duplicate: Changed;
  undo: Undone;
  export: Exported;
  access_file: AccessText;
  check_access_file: AccessChecked;
  put_access_file: AccessSaved;
  explain_access: AccessExplained;
  view_as: AccessView;
  status: Status;
  restart: Done;
  tools: Tools;
  call: CallResult;
  catalog: Catalog;
  ask: AskResult;
  logs: LogRecords;
  history: History;
  search_tools: FoundTools;
  activate: JobStarted;
  activation_jobs: ActivationJobs;
  cancel_activation: Done;
  installed_servers: InstalledServers;
  update_installed: UpdateStarted;
  roll_back_installed: Changed;
  remove_installed: Removed;
  variables: Variables;
  set_variables: Done;
  remove_variable: Done;
  proposals: Proposals;
  approve_proposal: Proposal;
  refuse_proposal: Proposal;
  registry_find: RegistryFound;
  registry_add: RegistryOutcome;
  registry_remove: RegistryOutcome;
  registry_configure: RegistryOutcome;
  registry_progress: RegistryProgress;
  secret_question: SecretQuestion;
  redeem_secret_ticket: Done;
  catalog_find: CatalogPage;
  catalog_show: CatalogCard;
  put_catalog_entry: Done;
  remove_catalog_entry: Done;
  catalog_sources: CatalogSourceList;
  put_catalog_source: Done;
  remove_catalog_source: Done;
  refresh_catalog_source: Done;
  find_client: OAuthClient;
  register_client: ClientRegistered;
  issue_code: CodeIssued;
  redeem_code: Tokens;
  refresh_grant: Tokens;
  revoke_token: Done;
  list_grants: Grants;
  end_grant: Done;
  sign_in_user: UserId;
  begin_login: Done;
  end_logins: Done;
  list_users: Users;
  end_user: Done;
  keys: Keys;
  add_key: KeyMade;
  revoke_key: Done;
  key_uses: KeyUses;
  note_key_uses: Done;
  limits_state: LimitsState;
  read_calls: CallRecords;
  read_call: CallDetails;
  read_usage: Usage;
  read_changes: ChangeRecords;
  read_sign_ins: SignInRecords;
  read_recorded_sessions: RecordedSessions;
  read_recorded_principals: RecordedPrincipals;
  records_status: RecordsStatus;
  optimize_records: OptimizeReport;
  note_refusals: Done;
  sessions: Sessions;
  end_session: Done;
  upstream_sign_ins: UpstreamSignIns;
  begin_upstream_sign_in: UpstreamSignInBegun;
  finish_upstream_sign_in: UpstreamSignIn;
  end_upstream_sign_in: Done;
}
