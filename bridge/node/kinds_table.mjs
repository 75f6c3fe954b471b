/** The kinds of requests, and the topics of events. Written by `make generate` from bridge/models/: change those, not this. */

/** Name, sockets that serve it, whether handling it twice does no harm. */
export const TABLE = /** @type {const} */ ([
  ['ping', ['desired', 'actual'], true],
  ['apply', ['actual'], true],
  ['desired', ['desired'], true],
  ['status', ['actual'], true],
  ['restart', ['actual'], false],
  ['tools', ['actual'], true],
  ['call', ['actual'], false],
  ['catalog', ['actual'], true],
  ['ask', ['actual'], false],
  ['logs', ['actual'], true],
  ['history', ['actual'], true],
  ['set_workspace', ['desired'], false],
  ['set_server', ['desired'], false],
  ['forget_settings', ['desired'], true],
  ['reload', ['desired'], true],
  ['config', ['desired'], true],
  ['unmask_server', ['desired'], true],
  ['unmask_config', ['desired'], true],
  ['put_server', ['desired'], false],
  ['delete_server', ['desired'], false],
  ['put_workspace', ['desired'], false],
  ['delete_workspace', ['desired'], false],
  ['put_config', ['desired'], false],
  ['import', ['desired'], false],
  ['edit_many', ['desired'], false],
  ['duplicate', ['desired'], false],
  ['undo', ['desired'], false],
  ['export', ['desired'], true],
  ['keys', ['desired'], true],
  ['add_key', ['desired'], false],
  ['revoke_key', ['desired'], false],
  ['key_uses', ['actual'], true],
  ['note_key_uses', ['desired'], true],
  ['note_refusals', ['actual'], false],
  ['sessions', ['actual'], true],
  ['end_session', ['actual'], false],
]);

/** All topics. */
export const ALL_TOPICS = Object.freeze(['applied', 'server', 'workspace', 'sessions', 'log', 'desired', 'joined']);
