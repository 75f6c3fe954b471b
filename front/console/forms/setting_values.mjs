// Reads the values of settings from the texts of form fields: `{value}`, or `{fault}` with what a text must be. Pure.

/** @param {string} text @param {string} pattern */
export function readText(text, pattern) {
  return new RegExp(pattern).test(text) ? { value: text } : { fault: 'A reference to a variable, such as ${NAME}.' };
}

/** @param {string} text @param {string} pattern */
export function readSize(text, pattern) {
  return new RegExp(pattern).test(text)
    ? { value: text }
    : { fault: 'A number and k, m or g, such as 512m; 0 for no limit.' };
}

/** @param {string} text @param {number} max @param {number} min */
export function readNumber(text, max, min) {
  const value = Number(text);
  const fits = text.trim() !== '' && value >= min && value <= max;
  return fits ? { value } : { fault: `A number from ${min} to ${max.toLocaleString('en')}.` };
}

/** @param {string} text @param {number} max @param {number} min */
export function readCount(text, max, min) {
  const value = Number(text);
  const fits = text.trim() !== '' && Number.isInteger(value) && value >= min && value <= max;
  return fits ? { value } : { fault: `A whole number from ${min} to ${max.toLocaleString('en')}.` };
}

/** @param {string} text @param {number} max @param {number} [min]  0 if 0 is allowed */
export function readSeconds(text, max, min) {
  const value = Number(text);
  const fits = text.trim() !== '' && (value > 0 || value === min) && value <= max;
  const least = min === 0 ? '0 or more' : 'More than 0';
  return fits ? { value } : { fault: `${least}, at most ${max.toLocaleString('en')} seconds.` };
}

/** @param {string} text @param {number} max @param {number} [min] */
export function readByTool(text, max, min) {
  /** @type {Record<string, number>} */
  const value = {};
  for (const line of text.split('\n').filter((item) => item.trim() !== '')) {
    const at = line.lastIndexOf('=');
    const tool = line.slice(0, Math.max(at, 0)).trim();
    const seconds = readSeconds(line.slice(at + 1), max, min);
    if (at < 0 || tool === '' || seconds.fault)
      return { fault: `“${line.trim()}” is not: tool = seconds (at most ${max.toLocaleString('en')}).` };
    Object.defineProperty(value, tool, { value: seconds.value, enumerable: true, configurable: true, writable: true });
  }
  return { value };
}
