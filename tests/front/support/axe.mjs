/** WCAG 2.0 and 2.1, levels A and AA, as far as axe can tell. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** @import {Page} from 'playwright-core' */

const SOURCE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'];

/**
 * What a page does wrong, a line each: the rule, and where.
 * @param {Page} page
 * @returns {Promise<string[]>}
 */
export async function violations(page) {
  await page.evaluate(`${SOURCE};0`); // not as an element: the page's policy allows no script but its own
  const found = await page.evaluate(async (tags) => {
    const { axe } = /** @type {any} */ (globalThis);
    return (await axe.run({ runOnly: tags, resultTypes: ['violations'] })).violations;
  }, TAGS);
  return found.flatMap((/** @type {any} */ rule) =>
    rule.nodes.map((/** @type {any} */ node) => `${rule.id}: ${node.target.join(' ')}: ${why(node)}`),
  );
}

/** @param {any} node */
const why = (node) => [...node.any, ...node.all, ...node.none].map((check) => check.message).join('; ');
