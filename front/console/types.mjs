/**
 * What pages know of the hub.
 *
 * @typedef {import('../server/state/state.mjs').State} State
 * @typedef {import('../server/state/state.mjs').HubState} Hub
 * @typedef {import('../server/state/state.mjs').WorkspaceState} Workspace
 * @typedef {import('../server/state/state.mjs').ServerState} Server
 * @typedef {import('../server/state/state.mjs').Change} Change
 * @typedef {import('../server/state/state.mjs').ErrorDescription} Problem
 * @typedef {State['hub']['issues'][number]} Issue
 *
 * @typedef {'ok'|'busy'|'warn'|'bad'|'off'} Tone
 * @typedef {{ at: number, kind: 'hub'|'workspace'|'server', subject: string, text: string, tone: Tone, loud?: boolean }} HubEvent `at` in Unix seconds; `loud`: worth saying aloud
 */

export {};
