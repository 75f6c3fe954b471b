/** One recorded call: who, what, the times of its parts, arguments and result, and its log lines. */

import { useEffect, useState } from 'preact/hooks';
import { durationParts, exposedName, outcomeOf } from '../../data/recorded.mjs';
import { api, serversByKey, state, workspacesByName } from '../../hub/store.mjs';
import { href } from '../../router.mjs';
import { Button, CopyButton, Facts, html, ItemLink, Notice, Page, Section, StateBadge } from '../../ui.mjs';
import { displayName, size, took } from '../../words.mjs';
import { callName } from './calls.mjs';
import { Moment } from './frame.mjs';
import { RecordLines } from './log_lines.mjs';

/** @typedef {import('../../data/recorded.mjs').Call} Call @typedef {import('../../../../bridge/node/types.mjs').CallDetails} Details */

const BACK = { href: href('calls'), label: 'All calls' };

/** @param {{ args: string[] }} props the id */
export default function CallPage({ args: [id] }) {
  const [found, setFound] = useState(/** @type {{ details?: Details, error?: any }} */ ({}));
  useEffect(() => {
    api.get(`/api/hub/calls/${encodeURIComponent(id)}`).then(
      (details) => setFound({ details }),
      (error) => setFound({ error }),
    );
  }, [id]);
  const { details, error } = found;
  if (error) return html`<${Page} title=${`Call ${id}`} back=${BACK}><${Notice} error=${error} /></${Page}>`;
  if (!details)
    return html`<${Page} title=${`Call ${id}`} back=${BACK}><p class="muted" aria-busy="true">Loading…</p></${Page}>`;
  const { call } = details;
  const lead = html`<${Moment} at=${call.at} /> by ${call.principal || 'an unknown principal'}`;
  return html`<${Page} title=${html`<code class="break">${callName(call)}</code>`} lead=${lead} back=${BACK} actions=${html`<${CallAgainButton} call=${call} />`}>
    <${Facts} facts=${factsOf(call)} />
    <${Durations} call=${call} />
    <${RecordedText} title="Arguments" text=${details.arguments} bytes=${call.arguments_size} cut=${details.cut} />
    <${RecordedText} title="Result" text=${details.result} bytes=${call.result_size} cut=${details.cut} />
    <${Section} title="Log lines" note="Records of this request in the sidecar's log, and the output of the server during the request.">
      <${RecordLines} call=${call} />
    </${Section}>
  </${Page}>`;
}

/** @param {{ call: Call }} props */
function CallAgainButton({ call }) {
  const tool = exposedName(call, workspacesByName.value.get(call.workspace), state.value?.servers ?? []);
  if (tool === null) return null;
  return html`<${Button} icon="play" href=${href('tools', [], { workspace: call.workspace, tool, call: String(call.id) })}>Call again</${Button}>`;
}

/** @param {Call} call @returns {[any, any][]} */
function factsOf(call) {
  const { word, tone } = outcomeOf(call.outcome);
  const link = (/** @type {'workspaces'|'servers'} */ page, /** @type {string} */ name, /** @type {boolean} */ known) =>
    name && (known ? html`<${ItemLink} page=${page} name=${name} />` : displayName(name));
  return [
    ['Outcome', html`<${StateBadge} tone=${tone} word=${word} />`],
    ['Error', call.code && call.code !== call.outcome && html`<code>${call.code}</code>`],
    ['Workspace', link('workspaces', call.workspace, workspacesByName.value.has(call.workspace))],
    ['Server', link('servers', call.server, serversByKey.value.has(call.server))],
    ['Method', call.method && html`<code>${call.method}</code>`],
    [
      'Principal',
      call.principal && html`<a href=${href('calls', [], { principal: call.principal })}>${call.principal}</a>`,
    ],
    [
      'Session',
      call.session && html`<a href=${href('calls', [], { session: call.session })}><code>${call.session}</code></a>`,
    ],
    ['Connection', [call.transport, call.era && `${call.era} era`].filter(Boolean).join(', ')],
    [
      'Replica',
      call.replica && html`<a href=${href('calls', [], { replica: call.replica })}><code>${call.replica}</code></a>`,
    ],
    ['Address', call.address && html`<code>${call.address}</code>`],
    ['Correlation id', call.correlation && html`<code>${call.correlation}</code>`],
    ['Trace id', call.trace && html`<code class="break">${call.trace}</code>`],
  ];
}

/** @param {{ call: Call }} props */
function Durations({ call }) {
  const parts = durationParts(call);
  return html`<${Section} title="Durations" note=${`${took(call.seconds)} from request to response.`}>
    <div class="times" aria-hidden="true">
      ${parts.map(({ id, share }) => html`<div class="time-part time-${id}" key=${id} style=${`flex-grow: ${Math.round(share * 1000)}`}></div>`)}
    </div>
    <ul class="plain times-legend">
      ${parts.map(({ id, name, seconds, share }) => html`<li key=${id}><span class="time-swatch time-${id}" aria-hidden="true"></span>${name} <strong>${seconds === 0 ? '0 ms' : took(seconds)}</strong> <span class="muted">${Math.round(share * 100)} %</span></li>`)}
    </ul>
  </${Section}>`;
}

/** @param {{ title: string, text: string|null, bytes: number|null, cut: boolean }} props */
function RecordedText({ title, text, bytes, cut }) {
  const note = [bytes !== null && size(bytes), cut && text !== null && 'truncated'].filter(Boolean).join(', ');
  if (text === null)
    return html`<${Section} title=${title} note=${note}>
      <p class="muted">Not recorded. The setting <code>record</code> of a server or workspace determines what is recorded.</p>
    </${Section}>`;
  return html`<${Section} title=${title} note=${note} actions=${html`<${CopyButton} text=${text} label=${title} />`}>
    <pre class="kept" tabindex="0" role="region" aria-label=${title}>${indented(text)}</pre>
  </${Section}>`;
}

/** Return JSON indented; text that is none, such as one that was cut, as it is. @param {string} text */
function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
