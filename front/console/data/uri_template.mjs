/** URI templates (RFC 6570), as far as resource templates use them: variables that are texts. Pure. */

/**
 * How an expression's operator writes values: before the first one, between them, whether with names, whether what
 * separates parts of a URI stays as it is (RFC 6570, appendix A).
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
 * The names of a template's variables, each once, in their order.
 *
 * @param {string} template
 * @returns {string[]}
 */
export function variablesOf(template) {
  const found = [...template.matchAll(EXPRESSION)].flatMap(([, , list]) => list.split(',').map(nameOf));
  return [...new Set(found)].filter((name) => name !== '');
}

/**
 * The URI that a template gives with these values; a variable without a value, or with an empty one, is left out.
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

/** A variable without its modifier (`:n`, `*`). @param {string} given */
const nameOf = (given) => given.trim().replace(/(?::\d+|\*)$/, '');

/** The beginning of a value, where the modifier asks for that. @param {string} value @param {string} given */
function cut(value, given) {
  const length = /:(\d+)$/.exec(given.trim())?.[1];
  return length ? [...value].slice(0, Number(length)).join('') : value;
}

/** All but unreserved characters percent-encoded (RFC 3986, 2.3). @param {string} text */
function encoded(text) {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\uFFFD')).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** The same, but reserved characters, and what is percent-encoded already, stay. @param {string} text */
function reserved(text) {
  return encoded(text).replace(RESERVED, (_, triplet, sign) =>
    triplet ? `%${triplet}` : decodeURIComponent(`%${sign}`),
  );
}
