/** Handlers of trust: an SBOM is answered as a file (pure). */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import express from 'express';
import { trust } from '../../../front/server/api/trust/handlers.mjs';

test('an SBOM is a file with a plain name, and exactly what was kept', async (t) => {
  const text = '{"bomFormat": "CycloneDX", "components": []}';
  const asked = /** @type {unknown[]} */ ([]);
  const askSidecar = async (/** @type {unknown[]} */ ...args) => {
    asked.push(args);
    return { digest: '0'.repeat(64), text };
  };
  const { sbom } = trust(/** @type {any} */ ({ askSidecar }));
  const app = express().get('/', (req, res) => sbom(/** @type {any} */ ({ query: req.query, res })));
  const server = app.listen(0, '127.0.0.1');
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const subject = 'image:docker.io/a/b"\r\n:1';
  const answer = await fetch(`http://127.0.0.1:${port}/?subject=${encodeURIComponent(subject)}`);
  assert.deepEqual(asked, [['read_sbom', { subject }]]);
  assert.equal(await answer.text(), text);
  assert.match(answer.headers.get('content-type') ?? '', /^application\/vnd\.cyclonedx\+json/);
  assert.equal(answer.headers.get('content-disposition'), 'attachment; filename="docker.io-a-b-1.cdx.json"');
});
