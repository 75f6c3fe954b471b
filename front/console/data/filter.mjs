/** Whether one of the texts holds each word that is looked for, whatever the case (pure). @param {string} wanted @param {(string|undefined)[]} texts */
export function matches(wanted, texts) {
  const all = texts.join('\n').toLowerCase();
  return wanted
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}
