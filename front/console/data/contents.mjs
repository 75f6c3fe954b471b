/** What servers send as content, and how it may be shown. They are not trusted: nothing here makes markup. Pure. */

/** Images that are shown. SVG is not among them: it is a document, which can contain scripts. */
const IMAGES = /^image\/(png|jpeg|gif|webp|avif|bmp)$/i;
const SOUNDS = /^audio\/[a-z0-9.+-]+$/i;
const BASE64 = /^[A-Za-z0-9+/\s]*(?:=\s*){0,2}$/;
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i;
/** Characters of a JSON text that is formatted; a longer one is shown as it came. */
const MOST_FORMATTED = 1_000_000;
const LONGEST_NAME = 100;
const MOST_IN_JSON = 2000; // characters of one text

/**
 * A field that should be a text, as a text: of another type it is shown as JSON. (`String` would call what it holds.)
 *
 * @param {unknown} value
 * @returns {string} empty where there is none
 */
export function textIn(value) {
  if (typeof value === 'string') return value;
  return value === undefined || value === null ? '' : JSON.stringify(value);
}

/**
 * How base64 data of a media type may be shown.
 *
 * @param {unknown} data
 * @param {unknown} mime
 * @returns {{ kind: 'image' | 'audio' | 'binary', source: string, bytes: number } | null} `source`: a data URL, empty
 *   where it is not shown; null: it is not base64
 */
export function binary(data, mime) {
  if (typeof data !== 'string' || !BASE64.test(data)) return null;
  const type = textIn(mime);
  const kind = IMAGES.test(type) ? 'image' : SOUNDS.test(type) ? 'audio' : 'binary';
  const source = kind === 'binary' ? '' : `data:${type};base64,${data}`;
  return { kind, source, bytes: bytesOf(data) };
}

/** How many bytes base64 data stands for. @param {string} data */
function bytesOf(data) {
  const signs = data.replace(/[\s=]/g, '').length;
  return Math.floor((signs * 3) / 4);
}

/**
 * A text as it is shown: JSON with indents, where its type says that it is JSON, and it is.
 *
 * @param {string} text
 * @param {unknown} mime
 * @returns {string}
 */
export function formatted(text, mime) {
  if (!JSON_TYPE.test(textIn(mime)) || text.length > MOST_FORMATTED) return text;
  try {
    const value = JSON.parse(text);
    const again = JSON.stringify(value, null, 2);
    return exact(text, again) ? again : text;
  } catch {
    return text;
  }
}

/** Whether nothing is lost but blanks: JavaScript has fewer numbers than JSON, and each name once. @param {string} one @param {string} other */
function exact(one, other) {
  return bare(one) === bare(other);
}

/** A JSON text without the blanks between its tokens. @param {string} text */
const bare = (text) => text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, '$1');

/**
 * The name under which a resource is saved: the last part of its URI, with nothing in it that a file system obeys.
 *
 * @param {string} uri
 * @returns {string}
 */
export function fileName(uri) {
  const path = uri.split(/[?#]/)[0].replace(/\/+$/, '');
  const last = path.slice(path.lastIndexOf('/') + 1).replace(/[^\p{L}\p{N}._-]+/gu, '_');
  return last.replace(/^[._]+/, '').slice(-LONGEST_NAME) || 'resource';
}

/**
 * The texts of a prompt's messages, one below the other, to be pasted elsewhere.
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
 * A result with its long texts cut, for the view of its JSON: data of images is for nobody to read.
 *
 * @param {unknown} value
 * @returns {unknown}
 */
export function shortened(value) {
  const cut = (/** @type {string} */ _, /** @type {unknown} */ each) =>
    typeof each === 'string' && each.length > MOST_IN_JSON
      ? `${each.slice(0, MOST_IN_JSON)}… (${each.length.toLocaleString('en')} characters)`
      : each;
  return JSON.parse(JSON.stringify(value ?? null, cut));
}
