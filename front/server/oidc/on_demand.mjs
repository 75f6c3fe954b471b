/** Loads the sign-in at an OpenID provider with the first request for it: its libraries take time and memory. */

/**
 * Return a function that loads it once, and again if that failed; null if no provider is configured.
 * @param {import('../access/auth.mjs').Auth} auth
 * @param {Pick<import('../state/hub.mjs').HubClient, 'askAdapter'>} adapter
 * @param {import('../log.mjs').Log} log
 * @returns {(() => Promise<import('./sign_in.mjs').SignIn>) | null}
 */
export function signInOnDemand(auth, adapter, log) {
  if (!auth.settings.oidc) return null;
  /** @type {Promise<import('./sign_in.mjs').SignIn> | null} */
  let loading = null;
  return () => {
    loading ??= import('./sign_in.mjs')
      .then(({ SignIn }) => new SignIn(auth, adapter, log))
      .catch((error) => {
        loading = null;
        throw error;
      });
    return loading;
  };
}
