// The image's HEALTHCHECK: whether the front says that the hub is well. Prints what it says.
import { request as http } from 'node:http';
import { request as https } from 'node:https';

const { HUB_HOST = '', HUB_PORT, HUB_TLS_CERT } = process.env;
const host = /^(|0\.0\.0\.0|\[?::\]?|localhost)$/.test(HUB_HOST) ? '127.0.0.1' : HUB_HOST.replace(/^\[|\]$/g, '');
const options = { host, port: HUB_PORT || 8765, path: '/healthz', timeout: 4000, agent: false };

// It asks itself: whose name the certificate has is for clients to check.
const question = HUB_TLS_CERT ? https({ ...options, rejectUnauthorized: false }) : http(options);
process.exitCode = 1;
question.on('response', (answer) => {
  answer.pipe(process.stdout);
  answer.on('end', () => {
    process.stdout.write('\n');
    if (answer.statusCode === 200) process.exitCode = 0;
  });
});
question.on('timeout', () => question.destroy(new Error('no answer within 4 s')));
question.on('error', (error) => process.stdout.write(`${error.message}\n`));
question.end();
