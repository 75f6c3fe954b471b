/** providers.json as text in which secret values are masked and all else stays as it is in the file (pure). */

import { plain, treeOf } from './import.mjs';
import { MASK, maskConfig } from '../state/masking.mjs';

const MAX_DEPTH = 64;

/**
 * The text with its secret values masked.
 *
 * @param {string} text JSON
 * @returns {string}
 * @throws {import('../errors.mjs').FrontError} BODY_INVALID: it is none
 */
export function maskText(text) {
  const source = text.replace(/^\uFEFF/, '');
  const tree = treeOf(source);
  if (!tree) return source;
  /** @type {string[]} */
  const pieces = [];
  let done = 0;
  for (const { offset, length, value } of changes(tree, maskConfig(plain(tree, MAX_DEPTH)))) {
    pieces.push(source.slice(done, offset), JSON.stringify(value));
    done = offset + length;
  }
  return pieces.join('') + source.slice(done);
}

/**
 * What is to be replaced, in order. A name that is there twice is in `masked` once: of the others all text is masked.
 *
 * @typedef {{offset: number, length: number, value: unknown}} Change
 * @type {(node: import('jsonc-parser').Node, masked: unknown) => Change[]}
 */
function changes(node, masked) {
  const children = node.children ?? [];
  if (node.type === 'array' && Array.isArray(masked) && masked.length === children.length) {
    return children.flatMap((item, at) => changes(item, masked[at]));
  }
  if (node.type === 'object' && typeof masked === 'object' && masked !== null && !Array.isArray(masked)) {
    return children.flatMap(({ children: [key, value] = [] }) =>
      changes(value, Object.hasOwn(masked, key.value) ? Reflect.get(masked, key.value) : MASK),
    );
  }
  return node.value === masked && children.length === 0
    ? []
    : [{ offset: node.offset, length: node.length, value: masked }];
}
