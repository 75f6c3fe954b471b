/** Helpers for DOM elements. Text is inserted as text only, never as markup. */

import { visible } from '/hub/assets/visible.mjs';

/** Milliseconds for which a button shows that it has copied. */
const COPIED_MS = 1500;

/** @typedef {Record<string, string | boolean | ((event: Event) => void)>} Attributes `on…` functions listen; true is an empty attribute */

/**
 * Create an element with attributes and children.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else setAttribute(element, name, value);
  }
  element.append(...children.map((child) => (typeof child === 'string' ? visible(child) : child)));
  return element;
}

/**
 * Set an attribute, or remove it (false). Does nothing if it has the value already.
 *
 * @param {Element} element
 * @param {string} name
 * @param {string | boolean} value
 */
export function setAttribute(element, name, value) {
  const text = value === true ? '' : String(value);
  if (value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/**
 * Set the text of an element. Does nothing if it has the text already.
 * @param {Element} element @param {string} text
 */
export function setText(element, text) {
  const shown = visible(text);
  if (element.textContent !== shown) element.textContent = shown;
}

/**
 * Create a button that copies a text.
 *
 * @param {string} label what a screen reader calls it
 * @param {() => string} text
 */
export function copyButton(label, text) {
  const button = el('button', { type: 'button', class: 'hub-copy', 'aria-label': label }, 'Copy');
  button.addEventListener('click', async () => {
    const copied = await copy(text(), button);
    setText(button, copied ? 'Copied' : 'Press Ctrl-C');
    if (copied) announce('Copied.');
    setTimeout(() => setText(button, 'Copy'), COPIED_MS);
  });
  return button;
}

/** Create a URL with its copy button. @param {string} kind @param {string} of @param {string} url */
export function address(kind, of, url) {
  const code = el('code', { title: url }, el('bdi', { dir: 'ltr' }, url));
  const button = copyButton(`Copy ${kind} URL of ${of}`, () => code.textContent ?? '');
  return el('div', { class: 'hub-url' }, el('span', { class: 'hub-kind' }, kind), code, button);
}

/** Create an icon from an SVG path in a 24 by 24 box, drawn in the style of YAMCP-UI's menu. @param {string} path */
export function icon(path) {
  const make = (/** @type {string} */ tag) => document.createElementNS('http://www.w3.org/2000/svg', tag);
  const [picture, line] = [make('svg'), make('path')];
  const drawn = { fill: 'none', stroke: 'currentColor', 'stroke-width': '2', 'stroke-linecap': 'round' };
  for (const [name, value] of Object.entries({ viewBox: '0 0 24 24', 'aria-hidden': 'true', ...drawn })) {
    picture.setAttribute(name, value);
  }
  line.setAttribute('d', path);
  picture.append(line);
  return picture;
}

/** @param {string} text @param {HTMLElement} near @returns {Promise<boolean>} */
async function copy(text, near) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text, near); // the page is not on https or loopback, or may not
  }
}

/** @param {string} text @param {HTMLElement} near */
function copyBySelection(text, near) {
  const area = el('textarea', { class: 'hub-hidden', readonly: true });
  area.value = text;
  near.after(area); // inside a dialog, whose focus may not leave it
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  near.focus();
  return copied;
}

const voice = el('div', { role: 'status', class: 'hub-hidden' });

/** Announce a text to screen readers. @param {string} text */
export function announce(text) {
  if (!voice.isConnected) document.body.append(voice);
  voice.textContent = visible(text);
}
