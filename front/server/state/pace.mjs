// How often the front asks the adapter and the sidecar, and for how long it waits.

/**
 * Milliseconds between the beginnings of two refreshes: a multiple of the duration of the last one, between min and
 * max.
 */
export const REFRESH_PAUSE_FACTOR = 4;
export const REFRESH_GAP_MS = { min: 25, max: 200 };
/** Milliseconds between refreshes of figures without events (memory, calls), while pages are connected. */
export const FIGURES_INTERVAL_MS = 5_000;
/** Milliseconds between pings, which detect a process that hangs. */
export const PING_INTERVAL_MS = 5_000;
/** Seconds that a process may take to answer a ping before it counts as away. */
export const PING_TIMEOUT_SECONDS = 2;
/** Milliseconds without a connection after which a process counts as away. */
export const RECONNECT_MS = 500;
/** Milliseconds to wait until a change is applied. */
export const APPLY_TIMEOUT_MS = 5_000;
/** Milliseconds to wait for the newest State; a process that hangs keeps nobody waiting for longer. */
export const FRESH_TIMEOUT_MS = 1_500;
