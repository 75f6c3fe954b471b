/**
 * What each route of the API answers, by the route's id. `make generate` makes JSON Schemas of it (answer_schemas.json),
 * which the OpenAPI document has.
 */

import type {
  AccessChecked,
  AccessExplained,
  AccessText,
  AccessView,
  ActivationJobs,
  CallDetails,
  CallRecords,
  CatalogCard,
  CatalogItem,
  CatalogPage,
  CatalogSourceList,
  Curation,
  ChangeRecords,
  Exported,
  FoundTools,
  Grant,
  Grants,
  History,
  Imported,
  InstalledServers,
  Issue,
  JobStarted,
  KeyMade,
  Keys,
  LimitsState,
  LogRecords,
  OptimizeReport,
  Proposal,
  Proposals,
  RecordedPrincipals,
  RecordedSessions,
  RecordsStatus,
  ReplicasState,
  Scans,
  ServerSettings,
  Sessions,
  SignInRecords,
  SnapshotId,
  ToolChanges,
  Tools,
  ToolsAccepted,
  ToolsRejected,
  UpdateStarted,
  UpstreamSignIns,
  Usage,
  Variables,
  WorkspaceTools,
} from '../../../../bridge/node/types.mjs';
import type { ServerState, State, WorkspaceState } from '../../state/state.mjs';

type Item = Record<string, unknown>;
type Nothing = Record<string, never>;

/** The answer to a change. */
interface Changed {
  snapshot: SnapshotId;
  /** Whether the sidecar has carried it out. */
  applied: boolean;
}
interface ChangedWorkspace extends Changed {
  workspace: WorkspaceState | null;
}
interface ChangedServer extends Changed {
  server: ServerState | null;
}
interface ChangedAccess extends Changed {
  hash: string;
  issues: Issue[];
}
/** The answer to a call, and how long it took. */
interface Called {
  result: Item;
  seconds: number;
}
/** Who a principal is. */
interface Identity {
  /** `admin`, or the id of a key or user; empty in a hub that wants no token. */
  id: string;
  name: string;
  /** Of a user, if it is verified; else empty. */
  email: string;
  role: 'admin' | 'owner' | 'user' | null;
  /** The name of the provider at which a user has signed in; else what kind of token it was. */
  by: string;
}
/** What a principal has of its own. */
interface Account extends Identity {
  admin: boolean;
  workspaces: { name: string; http_url: string; sse_url: string }[];
  grants: Grant[];
}
interface Done {
  success: true;
  message: string;
}

/** Answers of `/api/hub/…`. */
export interface HubAnswers {
  state: State;
  reload: Changed;
  addWorkspace: ChangedWorkspace;
  putWorkspace: ChangedWorkspace;
  deleteWorkspace: Changed;
  setWorkspace: ChangedWorkspace;
  startWorkspace: ChangedWorkspace;
  stopWorkspace: ChangedWorkspace;
  readServer: { key: string; entry: unknown; hash: string; settings: ServerSettings | null };
  addServer: ChangedServer;
  putServer: ChangedServer;
  deleteServer: Changed;
  setServer: ChangedServer;
  startServer: ChangedServer;
  stopServer: ChangedServer;
  copyServer: ChangedServer;
  copyWorkspace: ChangedWorkspace;
  editMany: Changed;
  undo: Changed & { summary: string };
  export: Exported;
  forgetSettings: Changed;
  restartServer: { server: ServerState | null };
  import: Imported & { applied?: boolean };
  keys: Keys;
  grants: Grants;
  endGrant: Nothing;
  account: Account;
  self: Identity;
  endOwnGrant: Nothing;
  ownSignIns: UpstreamSignIns;
  endOwnSignIn: Nothing;
  upstreamSignIns: UpstreamSignIns;
  endUpstreamSignIn: Nothing;
  addKey: KeyMade;
  revokeKey: Nothing;
  tools: Tools;
  searchTools: FoundTools;
  call: Called;
  prompts: { prompts: CatalogItem[] };
  getPrompt: Called;
  resources: { resources: CatalogItem[]; templates: CatalogItem[] };
  readResource: Called;
  complete: { values: string[]; total: number | null; has_more: boolean };
  sessions: Sessions;
  endSession: Nothing;
  limits: LimitsState;
  replicas: ReplicasState;
  history: History;
  logs: LogRecords;
  recordedCalls: CallRecords;
  recordedCall: CallDetails;
  recordedChanges: ChangeRecords;
  signIns: SignInRecords;
  pastSessions: RecordedSessions;
  principals: RecordedPrincipals;
  usage: Usage;
  recordsStatus: RecordsStatus;
  optimizeRecords: OptimizeReport;
  access: AccessText;
  checkAccess: AccessChecked;
  putAccess: ChangedAccess;
  deleteAccess: ChangedAccess;
  explainAccess: AccessExplained;
  viewAccess: AccessView;
  approvals: Proposals;
  approve: Proposal;
  refuse: Proposal;
  findEntries: CatalogPage;
  showEntry: CatalogCard;
  putEntry: Nothing;
  removeEntry: Nothing;
  catalogSources: CatalogSourceList;
  putSource: Nothing;
  removeSource: Nothing;
  refreshSource: Nothing;
  activate: JobStarted;
  activations: ActivationJobs;
  cancelActivation: Nothing;
  installed: InstalledServers;
  updateInstalled: UpdateStarted;
  rollBackInstalled: Changed;
  removeInstalled: Changed & { variables: string[] };
  variables: Variables;
  setVariables: Nothing;
  removeVariable: Nothing;
  curation: WorkspaceTools & { curation: Curation; hash: string };
  toolChanges: ToolChanges;
  acceptChanges: ToolsAccepted;
  rejectChanges: ToolsRejected;
  scans: Scans;
  rescan: Nothing;
}

/** A server as YAMCP-UI shows it; `status` is one of the hub's states beside YAMCP-UI's own two. */
interface YamcpServer {
  id: string;
  name: string;
  namespace: string;
  type: string;
  status: string;
  command?: string;
  args?: string[];
  env?: Record<string, string>;
  url?: string;
  [more: string]: unknown;
}
interface YamcpWorkspace {
  id: string;
  name: string;
  description: string;
  servers: string[];
  status: string;
  [more: string]: unknown;
}

/** Answers of YAMCP-UI's API, `/api/…`. */
export interface YamcpAnswers {
  stats: {
    totalServers: number;
    activeServers: number;
    totalWorkspaces: number;
    activeWorkspaces: number;
    issues: number;
  };
  servers: YamcpServer[];
  addServer: Done;
  putServer: Done;
  deleteServer: Done;
  startServer: Done & { server: YamcpServer };
  stopServer: Done & { server: YamcpServer };
  workspaces: YamcpWorkspace[];
  addWorkspace: Done;
  putWorkspace: Done;
  deleteWorkspace: Done;
  startWorkspace: Done & { workspace: YamcpWorkspace };
  stopWorkspace: Done & { workspace: YamcpWorkspace };
  logs: { id: string; timestamp: string; level: string; server: string; message: string }[];
  logFiles: { name: string; size: number; modified: string; path: string }[];
  providersConfig: Item;
  workspacesConfig: Item;
  putProvidersConfig: Done;
  putWorkspacesConfig: Done;
}

/** Answers of other routes. */
export interface OtherAnswers {
  health: { status: 'ok' | 'failing'; [more: string]: unknown };
  status: Item;
  openapi: Item;
}

/** Answers by table of routes and id. */
export interface Answers {
  hub: HubAnswers;
  yamcp: YamcpAnswers;
  other: OtherAnswers;
}
