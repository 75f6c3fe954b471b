/** Decides how content of servers, which are not trusted, is displayed. Nothing here creates markup. Pure. */

/** Image types that are displayed. SVG is excluded, because it is a document that may contain scripts. */
const IMAGE_TYPE = /^image\/(png|jpeg|gif|webp|avif|bmp)$/i;
const AUDIO_TYPE = /^audio\/[a-z0-9.+-]+$/i;
const BASE64 = /^[A-Za-z0-9+/\s]*(?:=\s*){0,2}$/;
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i;
/** Limit for the characters of a JSON text that is formatted; a longer one is shown unchanged. */
const MAX_FORMATTED_LENGTH = 1_000_000;
const MAX_NAME_LENGTH = 100;
const MAX_TEXT_IN_JSON = 2000; // characters of one text

/**
 * Return a field that should be text; another type is shown as JSON. (`String` would call methods of the value.)
 *
 * @param {unknown} value
 * @returns {string} empty where there is none
 */
export function textIn(value) {
  if (typeof value === 'string') return value;
  return value === undefined || value === null ? '' : JSON.stringify(value);
}

/**
 * Return how base64 data of a media type may be displayed.
 *
 * @param {unknown} data
 * @param {unknown} mime
 * @returns {{ kind: 'image' | 'audio' | 'binary', source: string, bytes: number } | null} `source`: a data URL, empty
 *   where it is not shown; null: it is not base64
 */
export function binary(data, mime) {
  if (typeof data !== 'string' || !BASE64.test(data)) return null;
  const type = textIn(mime);
  const kind = IMAGE_TYPE.test(type) ? 'image' : AUDIO_TYPE.test(type) ? 'audio' : 'binary';
  const source = kind === 'binary' ? '' : `data:${type};base64,${data}`;
  return { kind, source, bytes: bytesOf(data) };
}

/** Return the number of bytes that base64 data encodes. @param {string} data */
function bytesOf(data) {
  const signs = data.replace(/[\s=]/g, '').length;
  return Math.floor((signs * 3) / 4);
}

/**
 * Return a text for display: valid JSON of a JSON type is indented.
 *
 * @param {string} text
 * @param {unknown} mime
 * @returns {string}
 */
export function formatted(text, mime) {
  if (!JSON_TYPE.test(textIn(mime)) || text.length > MAX_FORMATTED_LENGTH) return text;
  try {
    const value = JSON.parse(text);
    const again = JSON.stringify(value, null, 2);
    return isSameJson(text, again) ? again : text;
  } catch {
    return text;
  }
}

/**
 * Return whether two JSON texts differ in white space only; JavaScript may lose digits of numbers and repeated keys.
 * @param {string} one @param {string} other
 */
function isSameJson(one, other) {
  return withoutSpace(one) === withoutSpace(other);
}

/** Return a JSON text without white space between its tokens. @param {string} text */
const withoutSpace = (text) => text.replace(/("(?:[^"\\]|\\.)*"?)|\s+/g, '$1');

/**
 * Return a safe file name for a resource: the last part of its URI, without special characters.
 *
 * @param {string} uri
 * @returns {string}
 */
export function fileName(uri) {
  const path = uri.split(/[?#]/)[0].replace(/(?<!\/)\/+$/, '');
  const last = path.slice(path.lastIndexOf('/') + 1).replace(/[^\p{L}\p{N}._-]+/gu, '_');
  return last.replace(/^[._]+/, '').slice(-MAX_NAME_LENGTH) || 'resource';
}

/**
 * Return the texts of a prompt's messages, one below the other, for copying.
 *
 * @param {unknown} messages
 * @returns {string}
 */
export function textOf(messages) {
  const blocks = (Array.isArray(messages) ? messages : []).map((message) => message?.content);
  const texts = blocks.map((block) => (block?.type === 'resource' ? block.resource?.text : block?.text));
  return texts.filter((text) => typeof text === 'string').join('\n\n');
}

/**
 * Return a result with its long texts cut, for the JSON view, where image data is of no use.
 *
 * @param {unknown} value
 * @returns {unknown}
 */
export function shortened(value) {
  const cut = (/** @type {string} */ _, /** @type {unknown} */ each) =>
    typeof each === 'string' && each.length > MAX_TEXT_IN_JSON
      ? `${each.slice(0, MAX_TEXT_IN_JSON)}… (${each.length.toLocaleString('en')} characters)`
      : each;
  return JSON.parse(JSON.stringify(value ?? null, cut));
}
