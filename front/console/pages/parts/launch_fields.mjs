/** The fields for how a server is started or reached. */

import { useLayoutEffect, useRef } from 'preact/hooks';
import { parseArgs, showArgs, splitCommand, unpackedArgs } from '../../forms/arguments.mjs';
import { isWebSocket, MASK } from '../../forms/entry.mjs';
import { Button, Choice, Field, html, Icon } from '../../ui.mjs';

/** @typedef {import('../../forms/entry.mjs').ServerForm} Form @typedef {import('../../forms/entry.mjs').Pair} Pair */
/** @typedef {{ form: Form, faults: Record<string, string>, onChange: (part: Partial<Form>) => void }} Props */

/** @param {Props} props */
export function LaunchFields(props) {
  return props.form.kind === 'stdio' ? html`<${Program} ...${props} />` : html`<${Address} ...${props} />`;
}

/** @param {Props} props */
function Program({ form, faults, onChange }) {
  const given = parseArgs(form.args);
  const split = given.length === 0 || /\s-/.test(form.command) ? splitCommand(form.command) : null;
  const unpacked = unpackedArgs(form.command, given);
  const help = split
    ? html`Enter arguments in the field below. <button type="button" class="link" onClick=${() => onChange({ command: split.command, args: showArgs([...split.args, ...given]) })}>Move them there</button>`
    : 'The program without arguments: a name that is found in PATH, or a path.';
  const argsHelp = unpacked
    ? html`One line contains several arguments, which the program would get as one. <button type="button" class="link" onClick=${() => onChange({ args: showArgs(unpacked) })}>Split it</button>`
    : 'One argument per line, without quotes. A line in double quotes is parsed as a JSON string.';
  return html`
    <${Field} label="Command" required mono value=${form.command} error=${faults.command} help=${help} attrs=${{ placeholder: 'npx' }} onInput=${(/** @type {string} */ command) => onChange({ command })} />
    <${Field} label="Arguments" kind="textarea" mono value=${form.args} help=${argsHelp} attrs=${{ rows: Math.min(12, Math.max(3, form.args.split('\n').length)), placeholder: '-y\n@modelcontextprotocol/server-filesystem\n/srv/docs' }} onInput=${(/** @type {string} */ args) => onChange({ args })} />
    <${Pairs} label="Environment" noun="variable" pairs=${form.env} fault=${faults.env} onChange=${(/** @type {Pair[]} */ env) => onChange({ env })} />
    <${Field} label="Working directory" mono value=${form.cwd} help="The directory in which the server starts. Default: that of the hub." attrs=${{ placeholder: '/srv' }} onInput=${(/** @type {string} */ cwd) => onChange({ cwd })} />
  `;
}

/** @param {Props} props */
function Address({ form, faults, onChange }) {
  return html`
    <${Field} label="URL" required mono kind="url" value=${form.url} error=${faults.url} help="For a WebSocket server, use ws:// or wss://." attrs=${{ placeholder: 'https://example.org/mcp' }} onInput=${(/** @type {string} */ url) => onChange({ url })} />
    ${
      !isWebSocket(form.url) &&
      html`<div class="field">
        <p class="label" aria-hidden="true">Transport</p>
        <${Choice} label="Transport" value=${form.transport} onChange=${(/** @type {'auto'|'http'} */ transport) => onChange({ transport })} options=${[
          { value: 'auto', label: 'Auto-detect' },
          { value: 'http', label: 'Streamable HTTP' },
        ]} />
      </div>`
    }
    <${Pairs} label="Headers" noun="header" pairs=${form.headers} fault=${faults.headers} onChange=${(/** @type {Pair[]} */ headers) => onChange({ headers })} />
  `;
}

/**
 * Rows of names and values. A stored value that is masked is kept unless it is replaced.
 *
 * @param {{ label: string, noun: string, pairs: Pair[], fault?: string, onChange: (pairs: Pair[]) => void }} props
 */
function Pairs({ label, noun, pairs, fault, onChange }) {
  const added = useRef(false);
  const set = (/** @type {number} */ at, /** @type {Partial<Pair>} */ part) =>
    onChange(pairs.map((pair, i) => (i === at ? { ...pair, ...part } : pair)));
  const add = () => {
    onChange([...pairs, { name: '', value: '' }]);
    added.current = true;
  };
  return html`<fieldset class="group">
    <legend>${label}</legend>
    ${pairs.map((pair, at) => html`<${Row} fresh=${added.current} key=${at} pair=${pair} at=${at} noun=${noun} onChange=${(/** @type {Partial<Pair>} */ part) => set(at, part)} onRemove=${() => onChange(pairs.filter((_, i) => i !== at))} />`)}
    ${fault && html`<p class="wrong" role="alert">${fault}</p>`}
    <div class="actions"><${Button} icon="plus" onClick=${add}>Add ${noun}</${Button}></div>
    <p class="help">For a secret, enter \${NAME} as the value and set NAME in the hub's environment: then no file contains it.</p>
  </fieldset>`;
}

/** @param {{ fresh: boolean, pair: Pair, at: number, noun: string, onChange: (part: Partial<Pair>) => void, onRemove: () => void }} props */
function Row({ fresh, pair: { name, value }, at, noun, onChange, onRemove }) {
  const row = useRef(/** @type {HTMLElement|null} */ (null));
  useLayoutEffect(() => {
    if (fresh) row.current?.querySelector('input')?.focus();
  }, []);
  const called = name || `${noun} ${at + 1}`;
  return html`<div class="pair" ref=${row}>
    <${Field} label=${`Name of ${noun} ${at + 1}`} hideLabel mono value=${name} attrs=${{ placeholder: 'NAME' }} onInput=${(/** @type {string} */ text) => onChange({ name: text })} />
    ${
      value === MASK
        ? html`<div class="kept"><span class="muted"><${Icon} name="check" />Stored, not shown</span><${Button} quiet label=${`Replace the value of ${called}`} onClick=${() => onChange({ value: '' })}>Replace</${Button}></div>`
        : html`<${Field} label=${`Value of ${called}`} hideLabel mono value=${value} attrs=${{ placeholder: 'value' }} onInput=${(/** @type {string} */ text) => onChange({ value: text })} />`
    }
    <${Button} icon="close" quiet label=${`Remove ${called}`} onClick=${onRemove} />
  </div>`;
}
