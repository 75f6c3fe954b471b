/**
 * Check resources of Gateway API and the Prometheus Operator, which kubernetes-validate does not know, against their models.
 * Reads a JSON array of resources on stdin; prints a line for each, and exits with 1 if one is not valid.
 */

import * as gateways from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1';
import * as prometheus from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';

/** @type {Record<string, any>} */
const MODELS = { 'gateway.networking.k8s.io/v1': gateways, 'monitoring.coreos.com/v1': prometheus };

let text = '';
for await (const piece of process.stdin.setEncoding('utf8')) text += piece;
for (const resource of JSON.parse(text)) {
  const { apiVersion, kind, metadata } = resource;
  const Model = MODELS[apiVersion]?.[kind];
  try {
    if (!Model) throw new Error(`there is no model of ${apiVersion} ${kind}`);
    new Model(resource).validate();
    console.log(`${kind} ${metadata.name}: valid`);
  } catch (error) {
    console.log(`${kind} ${metadata.name}: ${/** @type {Error} */ (error).message}`);
    process.exitCode = 1;
  }
}
