/** Shows one tool with its schemas, and a form to call it. */

import { useEffect, useRef, useState } from 'preact/hooks';
import { isObject } from '../forms/schema.mjs';
import { draftOf, finished } from '../forms/schema_draft.mjs';
import { execute } from '../hub/store.mjs';
import { announce, Button, Choice, CopyButton, Field, html, ItemLink, Notice, now, Tabs } from '../ui.mjs';
import { useRecordedArguments } from './history/call_again.mjs';
import { BackToList } from './parts/explorer.mjs';
import { Fields } from './parts/schema_form.mjs';
import { SchemaView } from './parts/schema_view.mjs';
import { ToolResult } from './parts/tool_result.mjs';
import { took } from '../words.mjs';

/** @typedef {import('../forms/schema_draft.mjs').Draft} Draft @typedef {import('../forms/schema_check.mjs').Problem} Problem */
/** @typedef {import('../data/tool_list.mjs').Tool} Tool @typedef {import('../types.mjs').Workspace} Workspace */

const DEFAULT_TIMEOUT_SECONDS = 60; // seconds, unless one says otherwise
const MAX_TIMEOUT_SECONDS = 3600;

/** @param {{ workspace: Workspace, tool: Tool, server: string, again?: string }} props `again`: id of a recorded call */
export function ToolDetail({ workspace, tool, server, again }) {
  const call = useCall(workspace.name, tool);
  const filled = useRecordedArguments(again, call.fill);
  const heading = useRef(/** @type {HTMLElement|null} */ (null));
  useEffect(() => heading.current?.focus({ preventScroll: matchMedia('(min-width: 60rem)').matches }), []);
  const title = tool.title ?? tool.annotations?.title;
  const tabs = [
    {
      id: 'call',
      title: 'Call',
      body: () => html`${filled && html`<${Notice} ...${filled} />`}<${CallForm} call=${call} />`,
    },
    {
      id: 'takes',
      title: 'Input',
      body: () => html`<${SchemaView} schema=${schemaOf(tool)} none="This tool takes no arguments." />`,
    },
    ...(isObject(tool.outputSchema)
      ? [
          {
            id: 'answers',
            title: 'Output',
            body: () =>
              html`<${SchemaView} schema=${tool.outputSchema} none="Its schema does not describe any fields." />`,
          },
        ]
      : []),
  ];
  return html`<article class="tool stack" aria-labelledby="tool-title">
    <${BackToList} kind="tools" workspace=${workspace.name} />
    <div>
      <div class="tool-name">
        <h2 id="tool-title" tabindex="-1" ref=${heading}>${title ?? tool.name}</h2>
        <${CopyButton} text=${tool.name} label="name of the tool">Copy name</${CopyButton}>
      </div>
      ${title && html`<p><code>${tool.name}</code></p>`}
      <p class="muted">${server && html`of the server <${ItemLink} page="servers" name=${server} />`} <${Hints} tool=${tool} /></p>
    </div>
    ${tool.description && html`<p class="prose">${tool.description}</p>`}
    <${Tabs} label="Tool" tabs=${tabs} />
  </article>`;
}

/** Shows the server's hints about the tool's effects, which may be wrong. @param {{ tool: Tool }} props */
function Hints({ tool }) {
  const annotations = tool.annotations ?? {};
  const hints = [
    annotations.readOnlyHint && ['read-only', 'The server says that it changes nothing.'],
    !annotations.readOnlyHint &&
      annotations.destructiveHint && ['destructive', 'The server says that it may delete or overwrite data.'],
    annotations.idempotentHint && ['idempotent', 'The server says that repeated calls have no additional effect.'],
    annotations.openWorldHint && [
      'open world',
      'The server says that it interacts with external systems, such as the web.',
    ],
  ].filter((hint) => Array.isArray(hint));
  return hints.map(([word, title]) => html`<span class="tag" title=${title} key=${word}>${word}</span> `);
}

/**
 * Return the tool's input schema, with `properties` in any case.
 * @param {Tool} tool @returns {import('../forms/schema.mjs').Schema}
 */
function schemaOf(tool) {
  const schema = isObject(tool.inputSchema) ? tool.inputSchema : {};
  return { ...schema, type: 'object', properties: isObject(schema.properties) ? schema.properties : {} };
}

/**
 * Return the state of a call: the values filled in, whether it runs, and the result.
 * @param {string} workspace @param {Tool} tool
 */
function useCall(workspace, tool) {
  const schema = schemaOf(tool);
  const [draft, setDraft] = useState(() => draftOf(schema, undefined, schema, true));
  const [json, setJson] = useState(/** @type {string|null} */ (null)); // text of the JSON view, null where the form is shown
  const [timeout, setTimeoutText] = useState(String(DEFAULT_TIMEOUT_SECONDS));
  const [tried, setTried] = useState(false);
  const [since, setSince] = useState(0);
  const [outcome, setOutcome] = useState(/** @type {{ result?: any, error?: any, seconds: number }|null} */ (null));
  const { value, problems } = json === null ? finished(schema, draft) : parseJson(json, schema);
  const reset = () => {
    const blank = draftOf(schema, undefined, schema, true);
    setDraft(blank);
    setJson(json === null ? null : pretty(finished(schema, blank).value));
    setTried(false);
    setOutcome(null);
  };
  const fill = (/** @type {Record<string, unknown>} */ given) => {
    setDraft(draftOf(schema, given, schema, true));
    setJson(null);
  };
  const run = async () => {
    setTried(true);
    if (problems.length > 0 || parseTimeout(timeout) === null || since) return false;
    const begin = Date.now();
    setSince(begin / 1000);
    setOutcome(null);
    const done = await execute(
      workspace,
      tool.name,
      /** @type {any} */ (value ?? {}),
      parseTimeout(timeout) ?? DEFAULT_TIMEOUT_SECONDS,
    ).catch((error) => ({ error, seconds: (Date.now() - begin) / 1000 }));
    setSince(0);
    setOutcome(done);
    announce(outcomeText(done));
    return true;
  };
  return {
    schema,
    draft,
    setDraft,
    json,
    setJson,
    timeout,
    setTimeoutText,
    tried,
    since,
    outcome,
    value,
    problems,
    reset,
    fill,
    run,
  };
}

/** @param {any} done */
function outcomeText({ result, error, seconds }) {
  if (error) return `No result: ${error.message}`;
  return `${result?.isError ? 'The tool reports an error' : 'Done'} after ${took(seconds)}`;
}

/** @param {string} text @param {any} schema @returns {{ value: unknown, problems: Problem[] }} */
function parseJson(text, schema) {
  if (text.trim() === '') return finished(schema, { kind: 'json', text: '{}' });
  const found = finished(schema, { kind: 'json', text });
  const whole = isObject(found.value) || found.problems.length > 0;
  return whole ? found : { value: undefined, problems: [{ path: '', message: 'The arguments must be an object.' }] };
}

/** Parse the seconds of a timeout; null if invalid. @param {string} text */
function parseTimeout(text) {
  const seconds = Number(text);
  return text.trim() && seconds > 0 && seconds <= MAX_TIMEOUT_SECONDS ? seconds : null;
}

const pretty = (/** @type {unknown} */ value) => JSON.stringify(value ?? {}, null, 2);

/** @param {{ call: ReturnType<typeof useCall> }} props */
function CallForm({ call }) {
  const form = useRef(/** @type {HTMLFormElement|null} */ (null));
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (await call.run()) return;
    setTimeout(() =>
      /** @type {HTMLElement|null|undefined} */ (
        form.current?.querySelector('[aria-invalid="true"], .wrong[tabindex]')
      )?.focus(),
    );
  };
  const keys = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) submit(event);
  };
  return html`<form class="call stack" noValidate ref=${form} onSubmit=${submit} onKeyDown=${keys} aria-label="Call the tool">
    <${View} call=${call} />
    <${Arguments} call=${call} />
    ${call.tried && call.problems.length > 0 && html`<${ProblemList} problems=${call.problems} />`}
    <div class="call-foot">
      <${Button} type="submit" primary icon="play" busy=${call.since > 0}>${call.since > 0 ? html`Calling… <${Elapsed} since=${call.since} />` : 'Call'}</${Button}>
      <${Button} onClick=${call.reset}>Reset</${Button}>
      <${Field}
        label="Timeout (seconds)"
        value=${call.timeout}
        onInput=${call.setTimeoutText}
        error=${parseTimeout(call.timeout) === null ? `Enter a number of seconds, at most ${MAX_TIMEOUT_SECONDS}.` : undefined}
        attrs=${{ inputmode: 'decimal', size: 6 }}
      />
    </div>
    ${call.outcome && html`<section class="call-result" aria-label="Result"><${ToolResult} ...${call.outcome} /></section>`}
  </form>`;
}

/** @param {{ since: number }} props */
function Elapsed({ since }) {
  return html`<span aria-hidden="true">${Math.max(0, Math.round(now.value - since))} s</span>`;
}

/** Switches between form and JSON, which share their value. @param {{ call: ReturnType<typeof useCall> }} props */
function View({ call }) {
  const show = (/** @type {string} */ view) => {
    if (view === 'json') return call.setJson(pretty(call.value));
    if (!isObject(call.value) && call.json?.trim()) {
      announce('The form cannot show this: it is not a JSON object.');
      return call.setJson(call.json);
    }
    call.setDraft(draftOf(call.schema, call.value ?? {}, call.schema, true));
    return call.setJson(null);
  };
  const options = [
    { value: 'form', label: 'Form' },
    { value: 'json', label: 'JSON' },
  ];
  return html`<${Choice} label="Arguments as" value=${call.json === null ? 'form' : 'json'} options=${options} onChange=${show} />`;
}

/** @param {{ call: ReturnType<typeof useCall> }} props */
function Arguments({ call }) {
  const problems = call.tried ? call.problems : [];
  if (call.json !== null) {
    return html`<${Field}
      label="Arguments"
      kind="textarea"
      mono
      help="A JSON object"
      value=${call.json}
      onInput=${call.setJson}
      error=${problems.length > 0 ? problems.map(problemText).join(' ') : undefined}
      attrs=${{ rows: Math.min(24, Math.max(6, call.json.split('\n').length + 1)) }}
    />`;
  }
  if (
    Object.keys(call.schema.properties).length === 0 &&
    !call.draft.other &&
    (call.schema.additionalProperties ?? false) === false
  ) {
    return html`<p class="muted">This tool takes no arguments.</p>`;
  }
  return html`<${Fields} schema=${call.schema} root=${call.schema} draft=${call.draft} path="" problems=${problems} onChange=${call.setDraft} />`;
}

/** @param {Problem} problem */
const problemText = ({ path, message }) => (path ? `${path.slice(1)}: ${message}` : message);

/** @param {{ problems: Problem[] }} props */
function ProblemList({ problems }) {
  return html`<${Notice}>
    <p>The tool was not called. Correct ${problems.length === 1 ? 'this problem' : `these ${problems.length} problems`}:</p>
    <ul>${problems.slice(0, 10).map((problem) => html`<li key=${problemText(problem)}>${problemText(problem)}</li>`)}</ul>
  </${Notice}>`;
}
