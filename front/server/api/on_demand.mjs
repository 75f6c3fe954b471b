/** Loads modules with the first request for them: those of the API, with zod, take 50 ms and 14 MB, which a start need not have. */

const API = /^\/api(\/|$)/;

/**
 * Return a handler that passes requests for some paths (those of the API) to the handler that `load` returns, and
 * others on.
 *
 * @param {() => Promise<import('express').Handler>} load  called once; again where it failed
 * @param {RegExp} [paths]
 * @returns {import('express').Handler}
 */
export function onDemand(load, paths = API) {
  /** @type {Promise<import('express').Handler> | null} */
  let loading = null;
  return async (request, response, next) => {
    if (!paths.test(request.path)) return next();
    loading ??= load();
    const handle = await loading.catch((error) => {
      loading = null;
      throw error;
    });
    await handle(request, response, next);
  };
}
