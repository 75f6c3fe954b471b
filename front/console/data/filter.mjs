/**
 * Return whether each word of the search occurs in one of the texts, ignoring case. Pure.
 * @param {string} wanted @param {(string|undefined)[]} texts
 */
export function matches(wanted, texts) {
  const all = texts.join('\n').toLowerCase();
  return wanted
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}
