/** Buttons, switches, and the state badge. */

import { useEffect, useRef, useState } from 'preact/hooks';
import { href } from '../router.mjs';
import { displayName, serverState, workspaceState } from '../words.mjs';
import { html } from './html.mjs';
import { Icon } from './icons.mjs';
import { announce, toast } from './toast.mjs';

/**
 * A button, or with `href` a link that looks like one. While the promise of `onClick` is pending, the button is busy;
 * its rejection is shown as a toast.
 *
 * @param {object} props
 * @param {any} [props.children]
 * @param {string} [props.icon]
 * @param {string} [props.label] accessible name; needed where there is only an icon
 * @param {boolean} [props.primary]
 * @param {boolean} [props.danger]
 * @param {boolean} [props.quiet] without a frame
 * @param {boolean} [props.disabled]
 * @param {boolean} [props.busy]
 * @param {'button'|'submit'} [props.type]
 * @param {string} [props.href]
 * @param {(event: any) => any} [props.onClick]
 */
export function Button({
  children,
  icon,
  label,
  primary,
  danger,
  quiet,
  disabled,
  busy,
  type = 'button',
  href: to,
  onClick,
}) {
  const [running, setRunning] = useState(false);
  const busyNow = busy || running;
  const classes = ['button', primary && 'primary', danger && 'danger', quiet && 'quiet', !children && 'only-icon'];
  const inside = html`${icon && html`<${Icon} name=${icon} />`}${children && html`<span>${children}</span>`}`;
  const names = { class: classes.filter(Boolean).join(' '), 'aria-label': label, title: children ? undefined : label };
  if (to) return html`<a ...${names} href=${to}>${inside}</a>`;
  const click = async (/** @type {any} */ event) => {
    if (busyNow) return;
    const pending = onClick?.(event);
    if (!(pending instanceof Promise)) return;
    setRunning(true);
    await pending.catch(toast.error);
    setRunning(false);
  };
  return html`<button ...${names} type=${type} disabled=${disabled} aria-busy=${busyNow || undefined} onClick=${click}>
    ${inside}
  </button>`;
}

/**
 * A switch. `target` is its new position, which is shown at once as pending until `on` is the same.
 *
 * @param {{ on: boolean, target?: boolean, label: string, disabled?: boolean, onChange: (on: boolean) => void }} props
 */
export function Switch({ on, target, label, disabled, onChange }) {
  const position = target ?? on;
  const pending = target !== undefined && target !== on;
  return html`<button
    type="button"
    role="switch"
    class="switch"
    aria-checked=${String(position)}
    aria-label=${label}
    aria-busy=${pending || undefined}
    disabled=${disabled}
    onClick=${() => onChange(!position)}
  >
    <span class="switch-thumb"></span>
  </button>`;
}

/**
 * Copies `text`, and confirms it visibly and to screen readers.
 *
 * @param {{ text: string, label?: string, children?: any }} props `label`: what is copied, e.g. "URL of dev"
 */
export function CopyButton({ text, label = '', children }) {
  const [copied, setCopied] = useState(false);
  const timer = useRef(/** @type {any} */ (0));
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async () => {
    if (!(await toClipboard(text))) {
      toast.error({
        code: 'CLIPBOARD',
        message: 'The browser does not allow this page to copy text.',
        hint: `Copy it manually: ${text}`,
      });
      return;
    }
    announce(`${label || 'Text'} copied`);
    setCopied(true);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setCopied(false), 1600);
  };
  return html`<button type="button" class="button copy ${copied ? 'copied' : ''}" aria-label=${`Copy ${label}`.trim()} onClick=${copy}>
    <${Icon} name=${copied ? 'check' : 'copy'} /><span>${copied ? 'Copied' : (children ?? 'Copy')}</span>
  </button>`;
}

/** @param {string} text */
async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text); // not a secure context, or forbidden
  }
}

/** @param {string} text */
function copySelected(text) {
  const focused = document.activeElement;
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'unseen';
  (document.querySelector('dialog[open]') ?? document.body).append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return done;
}

/**
 * The state of a workspace or server in a word; the colour only repeats it.
 *
 * @param {{ workspace?: import('../types.mjs').Workspace, server?: import('../types.mjs').Server, tone?: string, word?: string }} props
 */
export function StateBadge({ workspace, server, tone, word }) {
  const badge = workspace ? workspaceState(workspace) : server ? serverState(server) : { tone, word };
  return html`<span class="badge badge-${badge.tone}"><span class="dot" aria-hidden="true"></span>${badge.word}</span>`;
}

/** A URL or command with a copy button. @param {{ text: string, label: string, name?: string }} props */
export function Copyable({ text, label, name }) {
  return html`<div class="copyable">
    ${name && html`<span class="copyable-name">${name}</span>`}
    <code title=${text}>${text}</code>
    <${CopyButton} text=${text} label=${label} />
  </div>`;
}

/** A link to a workspace or server. @param {{ page: 'workspaces'|'servers', name: string, children?: any }} props */
export function ItemLink({ page, name, children }) {
  return html`<a href=${href(page, [name])}>${children ?? displayName(name)}</a>`;
}
