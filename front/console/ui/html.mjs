import htm from 'htm';
import { h } from 'preact';
import { visible } from '../visible.mjs';

/** Attributes that people read. */
const READ = ['title', 'alt', 'placeholder', 'aria-label', 'aria-description'];

/** @type {(strings: TemplateStringsArray, ...values: any[]) => any} */
const build = /** @type {any} */ (htm).bind(harmless);

/** @type {(strings: TemplateStringsArray, ...values: any[]) => import('preact').VNode<any>} */
export const html = (strings, ...values) => shown(build(strings, ...values)); // a template may have several roots

/**
 * An element with all its text made harmless (`visible.mjs`): nothing gets onto a page past here.
 *
 * @param {any} type
 * @param {Record<string, any> | null} props
 * @param {...any} children
 */
function harmless(type, props, ...children) {
  if (typeof type === 'string' && props) {
    for (const name of READ) if (typeof props[name] === 'string') props[name] = visible(props[name]);
  }
  return h(type, props, ...children.map(shown));
}

/**
 * A child with its text made harmless. Preact writes empty text, and the number 0, into the document anew each time that
 * they are rendered: they become nothing, and text.
 *
 * @param {any} child
 * @returns {any}
 */
function shown(child) {
  if (typeof child === 'string') return child === '' ? null : visible(child);
  if (typeof child === 'number') return String(child);
  return Array.isArray(child) ? child.map(shown) : child;
}
