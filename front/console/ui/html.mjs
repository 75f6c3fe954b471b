import htm from 'htm';
import { h } from 'preact';
import { visible } from '../visible.mjs';

/** Attributes that users read. */
const TEXT_ATTRIBUTES = ['title', 'alt', 'placeholder', 'aria-label', 'aria-description'];

/** @type {(strings: TemplateStringsArray, ...values: any[]) => any} */
const build = /** @type {any} */ (htm).bind(createElement);

/** @type {(strings: TemplateStringsArray, ...values: any[]) => import('preact').VNode<any>} */
export const html = (strings, ...values) => withVisibleText(build(strings, ...values)); // a template may have several roots

/**
 * Create an element with all its text made visible (`visible.mjs`); every element of a page is created here.
 *
 * @param {any} type
 * @param {Record<string, any> | null} props
 * @param {...any} children
 */
function createElement(type, props, ...children) {
  if (typeof type === 'string' && props) {
    for (const name of TEXT_ATTRIBUTES) if (typeof props[name] === 'string') props[name] = visible(props[name]);
  }
  return h(type, props, ...children.map(withVisibleText));
}

/**
 * Return a child with its text made visible. Preact writes empty text and the number 0 into the document again at each
 * render, so they are replaced by null and text.
 *
 * @param {any} child
 * @returns {any}
 */
function withVisibleText(child) {
  if (typeof child === 'string') return child === '' ? null : visible(child);
  if (typeof child === 'number') return String(child);
  return Array.isArray(child) ? child.map(withVisibleText) : child;
}
