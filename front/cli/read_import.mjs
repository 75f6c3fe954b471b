/**
 * For `hubctl import`: reads the text of another client's configuration from stdin, and writes it as JSON for the
 * adapter's `import` to stdout.
 *
 * Writes `{"config": …}`, or `{"error": {code, message, hint, data}}` if the text is unusable.
 */

import { text } from 'node:stream/consumers';
import { readConfig } from '../server/api/import_text.mjs';
import { describeError } from '../server/errors.mjs';

let answer;
try {
  answer = { config: await readConfig(await text(process.stdin)) };
} catch (error) {
  const { code, message, hint, data } = describeError(error);
  answer = { error: { code, message, hint, data } };
}
process.stdout.write(JSON.stringify(answer));
