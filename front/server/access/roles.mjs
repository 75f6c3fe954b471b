// The roles that access.json gives, as the adapter has applied them. The front evaluates no rules: it looks for the
// subjects of a principal in a table.

import { readFileSync, statSync } from 'node:fs';

/**
 * @typedef {'admin' | 'owner' | 'user'} Role
 * @typedef {{servers: readonly string[], workspaces: readonly string[]}} Owned  patterns of the names of what one owns
 * @typedef {{role: Role | null, owns: Owned}} Standing  `role`: null for one that access.json gives none
 */

/** Milliseconds between two looks at the file, regardless of the number of requests. */
const CHECK_INTERVAL_MS = 500;
/** Limit for the bytes of the file. */
const MAX_FILE_BYTES = 16 << 20;
/** The subject that every principal has. */
const EVERYBODY = '*';
const RANKS = /** @type {const} */ (['user', 'owner', 'admin']);
/** @type {Standing} */
const NONE = Object.freeze({ role: null, owns: Object.freeze({ servers: [], workspaces: [] }) });

/** The roles of access.json. The file is checked at most every half second, and read if it changed. */
export class Roles {
  /** @type {Map<string, Standing>} */
  #bySubject = new Map();
  #stamp = '';
  #lookedAt = -Infinity;

  /**
   * @param {string} file @param {Pick<import('../log.mjs').Log, 'say'>} log
   * @param {() => number} [clock]  milliseconds
   */
  constructor(file, log, clock = () => performance.now()) {
    this.file = file;
    this.log = log;
    this.clock = clock;
  }

  /** Return what a principal with these subjects is, and owns. @param {Iterable<string>} subjects */
  of(subjects) {
    if (this.clock() - this.#lookedAt >= CHECK_INTERVAL_MS) this.refresh();
    if (this.#bySubject.size === 0) return NONE;
    const found = [EVERYBODY, ...subjects].flatMap((subject) => this.#bySubject.get(subject) ?? []);
    return found.reduce(joined, NONE);
  }

  /** Look at the file now. */
  refresh() {
    this.#lookedAt = this.clock();
    const stamp = stampOf(this.file);
    if (stamp === this.#stamp) return;
    this.#stamp = stamp;
    if (stamp === '') this.#bySubject = new Map();
    else this.#read();
  }

  #read() {
    try {
      this.#bySubject = tableOf(readFileSync(this.file, 'utf8'));
    } catch (error) {
      const why = error instanceof SyntaxError ? 'it is not JSON' : String(error instanceof Error && error.message);
      this.log.say('error', 'roles cannot be read; those known stay in force', { file: this.file, why });
    }
  }
}

/**
 * Return the roles by subject.
 * @param {string} content  of the file
 * @returns {Map<string, Standing>}
 * @throws {Error} it does not have the form that the adapter writes
 */
export function tableOf(content) {
  if (content.length > MAX_FILE_BYTES) throw new Error('it is too long');
  const { roles } = JSON.parse(content);
  if (!Array.isArray(roles)) throw new Error('it has no list of roles');
  /** @type {Map<string, Standing>} */
  const table = new Map();
  for (const { subject, role, servers, workspaces } of roles) {
    if (typeof subject !== 'string' || !RANKS.includes(role)) throw new Error('it has a role that is not known');
    const one = { role, owns: { servers: servers ?? [], workspaces: workspaces ?? [] } };
    table.set(subject, joined(table.get(subject) ?? NONE, one));
  }
  return table;
}

/** @param {Standing} one @param {Standing} other @returns {Standing}  the higher role, and what both own */
function joined(one, other) {
  const higher = rank(other.role) > rank(one.role) ? other.role : one.role;
  const servers = [...one.owns.servers, ...other.owns.servers];
  return { role: higher, owns: { servers, workspaces: [...one.owns.workspaces, ...other.owns.workspaces] } };
}

/** @param {Role | null} role */
const rank = (role) => (role === null ? -1 : RANKS.indexOf(role));

/** Return a string that changes with the file; empty if it does not exist. @param {string} path */
function stampOf(path) {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found ? `${found.ino} ${found.mtimeNs} ${found.size}` : '';
}
