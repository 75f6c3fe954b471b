/** Forms for requests to a server: text fields with the server's suggestions, and the result. */

import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { given } from '../../data/catalog_list.mjs';
import { api } from '../../hub/store.mjs';
import { announce, Button, Field, html, Notice } from '../../ui.mjs';
import { Took, took } from './tool_result.mjs';

const TYPING_PAUSE_MS = 200; // ms without a key before suggestions are asked for

/** @typedef {{ name: string, help?: any, required?: boolean }} Asked  a text that is asked for */
/** @typedef {(argument: string, value: string, others: Record<string, string>) => Promise<string[]>} Complete */
/** @typedef {{ result?: any, error?: any, seconds: number }} Outcome */

/**
 * A form of text fields; required ones must be filled in.
 *
 * @param {object} props
 * @param {string} props.label
 * @param {Asked[]} props.fields
 * @param {Complete|null} props.complete suggestions of the server, where it has any
 * @param {string} props.action what the button says
 * @param {(values: Record<string, string>) => Promise<any>} props.ask
 * @param {(values: Record<string, string>) => any} [props.preview]
 * @param {(outcome: Outcome) => any} props.show
 */
export function AskForm({ label, fields, complete, action, ask, preview, show }) {
  const form = useRef(/** @type {HTMLFormElement|null} */ (null));
  const [values, setValues] = useState(/** @type {Record<string, string>} */ ({}));
  const [tried, setTried] = useState(false);
  const { outcome, running, run } = useOutcome(() => ask(given(values)));
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
      (field) => html`<${Text}
        key=${field.name}
        field=${field}
        value=${values[field.name] ?? ''}
        others=${given(values)}
        complete=${complete}
        error=${tried && missing.includes(field) ? 'It is required.' : undefined}
        onInput=${(/** @type {string} */ value) => setValues((before) => ({ ...before, [field.name]: value }))}
      />`,
    )}
    ${preview?.(given(values))}
    <div class="call-foot">
      <${Button} type="submit" primary icon="play" busy=${running}>${action}</${Button}>
    </div>
    ${outcome && html`<section class="call-result" aria-label="Result">${show(outcome)}</section>`}
  </form>`;
}

/** Shows the result, or the error. @param {{ outcome: Outcome, children: any }} props */
export function Answered({ outcome: { error, seconds }, children }) {
  return html`<div class="stack">
    <${Took} tone=${error ? 'bad' : 'ok'} text=${error ? 'No result' : 'Done'} seconds=${seconds} />
    ${error ? html`<${Notice} error=${error} />` : children}
  </div>`;
}

/** Return a function that sends the request, and its outcome. @param {() => Promise<Outcome>} ask */
function useOutcome(ask) {
  const [outcome, setOutcome] = useState(/** @type {Outcome|null} */ (null));
  const [running, setRunning] = useState(false);
  const run = async () => {
    if (running) return;
    const begin = Date.now();
    setRunning(true);
    setOutcome(null);
    const done = await ask().catch((error) => ({ error, seconds: (Date.now() - begin) / 1000 }));
    setRunning(false);
    setOutcome(done);
    announce('error' in done ? `No result: ${done.error.message}` : `Done after ${took(done.seconds)}`);
  };
  return { outcome, running, run };
}

/**
 * @param {{ field: Asked, value: string, others: Record<string, string>, complete: Complete|null, error?: string,
 *           onInput: (value: string) => void }} props
 */
function Text({ field: { name, help, required }, value, others, complete, error, onInput }) {
  const id = useId();
  const { found, look } = useSuggestions(complete, name, others);
  const input = (/** @type {string} */ text) => {
    onInput(text);
    look(text);
  };
  const attrs = complete ? { list: `${id}-list`, onFocus: () => look(value) } : {};
  return html`<div>
    <${Field} label=${name} help=${help} required=${required} value=${value} onInput=${input} error=${error} attrs=${attrs} />
    ${complete && html`<datalist id=${`${id}-list`}>${found.map((each) => html`<option key=${each} value=${each} />`)}</datalist>`}
  </div>`;
}

/**
 * Return the server's suggestions for the typed text; none if the server fails.
 *
 * @param {Complete|null} complete @param {string} name @param {Record<string, string>} others
 */
function useSuggestions(complete, name, others) {
  const [found, setFound] = useState(/** @type {string[]} */ ([]));
  const box = useRef({ timer: /** @type {any} */ (0), latest: 0, failed: false });
  useEffect(
    () => () => {
      clearTimeout(box.current.timer);
      box.current.failed = true;
    },
    [],
  );
  const look = (/** @type {string} */ text) => {
    clearTimeout(box.current.timer);
    if (!complete || box.current.failed) return;
    box.current.timer = setTimeout(async () => {
      const number = ++box.current.latest;
      const { [name]: _, ...rest } = others;
      try {
        const values = await complete(name, text, rest);
        if (number === box.current.latest) setFound(values);
      } catch {
        box.current.failed = true;
        setFound([]);
      }
    }, TYPING_PAUSE_MS);
  };
  return { found, look };
}

/**
 * Return a function that requests suggestions for the arguments of a prompt, or the variables of a template.
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
