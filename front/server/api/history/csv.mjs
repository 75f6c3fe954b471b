/**
 * Text of CSV (RFC 4180) for spreadsheets. Pure. hubctl/commands/history/csv_text.py does the same; both are tested with bridge/vectors/csv.json.
 */

/**
 * What a spreadsheet may take for a formula (OWASP, CSV Injection), in full width and after white space, too. An
 * apostrophe before it makes it text.
 */
const FORMULA = /^(?:[\t\r\n]|\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])/;
/** Control characters that cells may have. */
const LINE_BREAKS = new Set('\t\r\n');
const NEEDS_QUOTES = /[",\r\n]/;

/** Return a line with its end. @param {readonly unknown[]} values */
export const csvLine = (values) => `${values.map(cell).join(',')}\r\n`;

/** @param {unknown} value */
function cell(value) {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'string') return String(value);
  const plain = value.replace(/\p{Cc}/gu, (char) => (LINE_BREAKS.has(char) ? char : '\uFFFD'));
  const text = FORMULA.test(plain) ? `'${plain}` : plain;
  return NEEDS_QUOTES.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
