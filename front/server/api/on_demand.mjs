/** Loads the API with the first request for it: its modules, with zod, take 50 ms and 14 MB, which a start need not have. */

/**
 * Return a handler that passes requests to /api to the handler that `load` returns, and others on.
 *
 * @param {() => Promise<import('express').Handler>} load  called once; again where it failed
 * @returns {import('express').Handler}
 */
export function onDemand(load) {
  /** @type {Promise<import('express').Handler> | null} */
  let loading = null;
  return async (request, response, next) => {
    if (!/^\/api(\/|$)/.test(request.path)) return next();
    loading ??= load();
    const handle = await loading.catch((error) => {
      loading = null;
      throw error;
    });
    handle(request, response, next);
  };
}
