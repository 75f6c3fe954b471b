/** URI templates (RFC 6570) with text variables, as resource templates use them. Pure. */

/**
 * For each operator: the prefix, the separator, whether names are written, and whether reserved characters are kept
 * (RFC 6570, appendix A).
 *
 * @type {Record<string, { first: string, between: string, named?: boolean, reserved?: boolean }>}
 */
const OPERATORS = {
  '': { first: '', between: ',' },
  '+': { first: '', between: ',', reserved: true },
  '#': { first: '#', between: ',', reserved: true },
  '.': { first: '.', between: '.' },
  '/': { first: '/', between: '/' },
  ';': { first: ';', between: ';', named: true },
  '?': { first: '?', between: '&', named: true },
  '&': { first: '&', between: '&', named: true },
};
const EXPRESSION = /\{([+#./;?&]?)([^{}]*)\}/g;
const RESERVED = /%(?:25([0-9A-Fa-f]{2})|(3A|2F|3F|23|5B|5D|40|21|24|26|27|28|29|2A|2B|2C|3B|3D))/g;

/**
 * Return the names of a template's variables, without duplicates, in order.
 *
 * @param {string} template
 * @returns {string[]}
 */
export function variablesOf(template) {
  const found = [...template.matchAll(EXPRESSION)].flatMap(([, , list]) => list.split(',').map(nameOf));
  return [...new Set(found)].filter((name) => name !== '');
}

/**
 * Expand a template with these values; a variable whose value is missing or empty is left out.
 *
 * @param {string} template
 * @param {Record<string, string>} values
 * @returns {string}
 */
export function expanded(template, values) {
  return template.replace(EXPRESSION, (_, operator, list) => {
    const how = OPERATORS[operator];
    const parts = list.split(',').flatMap((/** @type {string} */ given) => {
      const name = nameOf(given);
      const value = Object.hasOwn(values, name) ? values[name] : '';
      return value === '' ? [] : [part(name, cut(value, given), how)];
    });
    return parts.length > 0 ? how.first + parts.join(how.between) : '';
  });
}

/** @param {string} name @param {string} value @param {typeof OPERATORS['']} how */
function part(name, value, how) {
  const text = how.reserved ? reserved(value) : encoded(value);
  return how.named ? `${name}=${text}` : text;
}

/** Return a variable's name without its modifier (`:n`, `*`). @param {string} given */
const nameOf = (given) => given.trim().replace(/(?::\d+|\*)$/, '');

/** Return the prefix of a value that the modifier selects. @param {string} value @param {string} given */
function cut(value, given) {
  const length = /:(\d+)$/.exec(given.trim())?.[1];
  return length ? [...value].slice(0, Number(length)).join('') : value;
}

/** Percent-encode everything but unreserved characters (RFC 3986, 2.3). @param {string} text */
function encoded(text) {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\uFFFD')).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/**
 * Percent-encode everything but unreserved and reserved characters and existing percent-encodings.
 * @param {string} text
 */
function reserved(text) {
  return encoded(text).replace(RESERVED, (_, triplet, sign) =>
    triplet ? `%${triplet}` : decodeURIComponent(`%${sign}`),
  );
}
