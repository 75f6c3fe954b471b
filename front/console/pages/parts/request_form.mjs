/** Forms for prompts/get and resources/read: a text field for each argument, with completion by the server, and the result. */

import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { withoutEmpty } from '../../data/catalog_list.mjs';
import { api } from '../../hub/store.mjs';
import { announce, Button, Field, html, Notice } from '../../ui.mjs';
import { Took } from './tool_result.mjs';
import { took } from '../../words.mjs';

const TYPING_PAUSE_MS = 200; // ms without a key press before completions are requested

/** @typedef {{ name: string, help?: any, required?: boolean }} Argument  an argument of a prompt, or a variable of a URI template */
/** @typedef {(argument: string, value: string, others: Record<string, string>) => Promise<string[]>} Complete */
/** @typedef {{ result?: any, error?: any, seconds: number }} Outcome */

/**
 * A form of text fields; required ones must be filled in.
 *
 * @param {object} props
 * @param {string} props.label
 * @param {Argument[]} props.fields
 * @param {Complete|null} props.complete requests completions; null: the server has none
 * @param {string} props.action label of the button
 * @param {(values: Record<string, string>) => Promise<any>} props.send
 * @param {(values: Record<string, string>) => any} [props.preview]
 * @param {(outcome: Outcome) => any} props.result shows the outcome
 */
export function RequestForm({ label, fields, complete, action, send, preview, result }) {
  const form = useRef(/** @type {HTMLFormElement|null} */ (null));
  const [values, setValues] = useState(/** @type {Record<string, string>} */ ({}));
  const [tried, setTried] = useState(false);
  const { outcome, running, run } = useRequest(() => send(withoutEmpty(values)));
  const missing = fields.filter(({ name, required }) => required && !values[name]);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setTried(true);
    if (missing.length === 0) return run();
    return setTimeout(() =>
      /** @type {HTMLElement|null|undefined} */ (form.current?.querySelector('[aria-invalid="true"]'))?.focus(),
    );
  };
  return html`<form class="call stack" noValidate ref=${form} onSubmit=${submit} aria-label=${label}>
    ${fields.map(
      (field) => html`<${ArgumentField}
        key=${field.name}
        field=${field}
        value=${values[field.name] ?? ''}
        others=${withoutEmpty(values)}
        complete=${complete}
        error=${tried && missing.includes(field) ? 'This field is required.' : undefined}
        onInput=${(/** @type {string} */ value) => setValues((before) => ({ ...before, [field.name]: value }))}
      />`,
    )}
    ${preview?.(withoutEmpty(values))}
    <div class="call-foot">
      <${Button} type="submit" primary icon="play" busy=${running}>${action}</${Button}>
    </div>
    ${outcome && html`<section class="call-result" aria-label="Result">${result(outcome)}</section>`}
  </form>`;
}

/** Shows the result of a request, or its error. @param {{ outcome: Outcome, children: any }} props */
export function RequestResult({ outcome: { error, seconds }, children }) {
  return html`<div class="stack">
    <${Took} tone=${error ? 'bad' : 'ok'} text=${error ? 'No result' : 'Done'} seconds=${seconds} />
    ${error ? html`<${Notice} error=${error} />` : children}
  </div>`;
}

/** Return a function that sends the request, whether it is running, and its outcome. @param {() => Promise<Outcome>} send */
function useRequest(send) {
  const [outcome, setOutcome] = useState(/** @type {Outcome|null} */ (null));
  const [running, setRunning] = useState(false);
  const run = async () => {
    if (running) return;
    const begin = Date.now();
    setRunning(true);
    setOutcome(null);
    const done = await send().catch((error) => ({ error, seconds: (Date.now() - begin) / 1000 }));
    setRunning(false);
    setOutcome(done);
    announce('error' in done ? `No result: ${done.error.message}` : `Done after ${took(done.seconds)}`);
  };
  return { outcome, running, run };
}

/**
 * @param {{ field: Argument, value: string, others: Record<string, string>, complete: Complete|null, error?: string,
 *           onInput: (value: string) => void }} props
 */
function ArgumentField({ field: { name, help, required }, value, others, complete, error, onInput }) {
  const id = useId();
  const { suggestions, request } = useCompletion(complete, name, others);
  const input = (/** @type {string} */ text) => {
    onInput(text);
    request(text);
  };
  const attrs = complete ? { list: `${id}-list`, onFocus: () => request(value) } : {};
  return html`<div>
    <${Field} label=${name} help=${help} required=${required} value=${value} onInput=${input} error=${error} attrs=${attrs} />
    ${complete && html`<datalist id=${`${id}-list`}>${suggestions.map((each) => html`<option key=${each} value=${each} />`)}</datalist>`}
  </div>`;
}

/**
 * Return the completions of the typed text, and a function that requests them; none after the server has failed once.
 *
 * @param {Complete|null} complete @param {string} name @param {Record<string, string>} others
 */
function useCompletion(complete, name, others) {
  const [suggestions, setSuggestions] = useState(/** @type {string[]} */ ([]));
  const box = useRef({ timer: /** @type {any} */ (0), latest: 0, failed: false });
  useEffect(
    () => () => {
      clearTimeout(box.current.timer);
      box.current.failed = true;
    },
    [],
  );
  const request = (/** @type {string} */ text) => {
    clearTimeout(box.current.timer);
    if (!complete || box.current.failed) return;
    box.current.timer = setTimeout(async () => {
      const number = ++box.current.latest;
      const { [name]: _, ...rest } = others;
      try {
        const values = await complete(name, text, rest);
        if (number === box.current.latest) setSuggestions(values);
      } catch {
        box.current.failed = true;
        setSuggestions([]);
      }
    }, TYPING_PAUSE_MS);
  };
  return { suggestions, request };
}

/**
 * Return a function that requests completion/complete for arguments of a prompt, or variables of a URI template.
 *
 * @param {string} workspace
 * @param {{ prompt: string } | { template: string }} of
 * @returns {Complete}
 */
export function completions(workspace, of) {
  return async (argument, value, others) => {
    const body = { workspace, ...of, argument, value, arguments: others };
    return (await api.post('/api/hub/complete', {}, body)).values;
  };
}
