/**
 * What pages know of the hub.
 *
 * @typedef {import('../state.mjs').State} State
 * @typedef {import('../state.mjs').HubState} Hub
 * @typedef {import('../state.mjs').WorkspaceState} Workspace
 * @typedef {import('../state.mjs').ServerState} Server
 * @typedef {import('../state.mjs').Change} Change
 * @typedef {import('../state.mjs').Told} Problem
 * @typedef {State['hub']['issues'][number]} Issue
 *
 * @typedef {'ok'|'busy'|'warn'|'bad'|'off'} Tone
 * @typedef {{ at: number, kind: 'hub'|'workspace'|'server', subject: string, text: string, tone: Tone, loud?: boolean }} Happening `at` in Unix seconds; `loud`: worth saying aloud
 */

export {};
