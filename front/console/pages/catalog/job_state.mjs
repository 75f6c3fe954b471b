/** Installations from the catalogue, in words. Pure. */

/** @typedef {import('../../../../bridge/node/types.mjs').ActivationJob} Job */

/** @type {Record<Job['state'], { word: string, tone: import('../../types.mjs').Tone }>} */
const STATES = {
  waiting: { word: 'Waiting', tone: 'busy' },
  installing: { word: 'Installing', tone: 'busy' },
  checking: { word: 'Starting', tone: 'busy' },
  adding: { word: 'Adding', tone: 'busy' },
  done: { word: 'Done', tone: 'ok' },
  failed: { word: 'Failed', tone: 'bad' },
  cancelled: { word: 'Cancelled', tone: 'off' },
};

/** @param {Job} job */
export const jobState = ({ state }) => STATES[state];

/** Return whether a job goes on. @param {Job} job */
export const isRunning = ({ ended }) => ended === null;
