/** An own entry of the catalogue as typed in a form, and as server.json has it. The hub checks it again. Pure. */

/**
 * @typedef {'npm' | 'pypi' | 'oci' | 'streamable-http' | 'sse'} Kind
 * @typedef {{ name: string, description: string, secret: boolean, required: boolean }} Setting  a variable or header
 * @typedef {{ name: string, title: string, description: string, version: string, kind: Kind, identifier: string,
 *   arguments: string, settings: Setting[] }} Draft  `arguments`: one on each line; `identifier` of a remote: its URL
 * @typedef {Record<string, any>} Entry
 */

/** @type {Record<Kind, { label: string, identifier: string, help: string }>} */
export const KINDS = {
  npm: {
    label: 'npm package',
    identifier: 'Package',
    help: 'Its name with an exact version, such as @scope/name@1.2.3, or the path of a .tgz file on this machine.',
  },
  pypi: {
    label: 'Python package',
    identifier: 'Package',
    help: 'Its name with an exact version, such as name==1.2.3, or the path of a .whl file on this machine.',
  },
  oci: { label: 'Container image', identifier: 'Image', help: 'Its name with a tag or a digest.' },
  'streamable-http': {
    label: 'Remote server (Streamable HTTP)',
    identifier: 'URL',
    help: 'The address of its endpoint.',
  },
  sse: { label: 'Remote server (SSE)', identifier: 'URL', help: 'The address of its endpoint.' },
};

const NAME = /^[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const HEADER = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
const URL_TEXT = /^https?:\/\/\S+$/;
/** A package's name and its version, as npm and pip write it. */
const WITH_VERSION = /^(?<name>.+?)(?:@|==)(?<version>\d[^@=\s]*)$/;
const MOST = 100; // characters of a title and a description, as in the schema of server.json

/** @returns {Draft} */
export const emptyDraft = () => ({
  name: '',
  title: '',
  description: '',
  version: '1.0.0',
  kind: 'npm',
  identifier: '',
  arguments: '',
  settings: [],
});

/** Return whether the entry is a server that runs elsewhere. @param {Pick<Draft, 'kind'>} draft */
export const isRemote = ({ kind }) => kind === 'streamable-http' || kind === 'sse';

/** Return whether a package is a file of this machine. @param {string} identifier */
const isFile = (identifier) => /^(file:)?\//.test(identifier);

/**
 * Return why fields cannot be used, by name; those of settings by `settings.<index>`.
 * @param {Draft} draft
 * @returns {Record<string, string>}
 */
export function faultsOf(draft) {
  const { name, title, description, version, settings } = draft;
  const found = {
    name: NAME.test(name)
      ? ''
      : 'A namespace, a slash and a name of letters, digits, “.”, “_” and “-”: com.example/notes.',
    title: title.length > MOST ? `At most ${MOST} characters.` : '',
    description: lengthFault(description),
    version: version.trim() === '' ? 'Enter the version of the entry.' : '',
    identifier: identifierFault(draft),
    ...Object.fromEntries(settings.map((setting, at) => [`settings.${at}`, settingFault(draft, setting.name)])),
  };
  return Object.fromEntries(Object.entries(found).filter(([, fault]) => fault !== ''));
}

/** @param {string} text */
function lengthFault(text) {
  if (text.trim() === '') return 'Say in a few words what it does.';
  return text.length > MOST ? `At most ${MOST} characters; it has ${text.length}.` : '';
}

/** @param {Draft} draft */
function identifierFault({ kind, identifier }) {
  const text = identifier.trim();
  if (text === '') return 'Enter a value.';
  if (isRemote({ kind })) return URL_TEXT.test(text) ? '' : 'An address that begins with http:// or https://.';
  if (kind === 'oci' || isFile(text) || WITH_VERSION.test(text)) return '';
  return `Add an exact version: ${text}${kind === 'npm' ? '@' : '=='}1.2.3.`;
}

/** @param {Draft} draft @param {string} name */
function settingFault(draft, name) {
  const others = draft.settings.filter((each) => each.name === name).length;
  if (others > 1) return 'Another setting has this name.';
  if (isRemote(draft)) return HEADER.test(name) ? '' : 'The name of a header, such as Authorization.';
  return VARIABLE.test(name) ? '' : 'The name of an environment variable: letters, digits and “_”.';
}

/** Return the server.json of a draft. @param {Draft} draft @returns {Entry} */
export function entryOf(draft) {
  const { name, title, description, version, kind, identifier, settings } = draft;
  const head = { name, ...(title && { title }), description, version: version.trim() };
  const inputs = settings.map(inputOf);
  if (isRemote(draft)) {
    const remote = { type: kind, url: identifier.trim(), ...(inputs.length > 0 && { headers: inputs }) };
    return { ...head, remotes: [remote] };
  }
  const values = draft.arguments
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  return {
    ...head,
    packages: [
      {
        registryType: kind,
        ...packageOf(kind, identifier.trim()),
        transport: { type: 'stdio' },
        ...(values.length > 0 && { packageArguments: values.map((value) => ({ type: 'positional', value })) }),
        ...(inputs.length > 0 && { environmentVariables: inputs }),
      },
    ],
  };
}

/** @param {Kind} kind @param {string} identifier @returns {{ identifier: string, version?: string }} */
function packageOf(kind, identifier) {
  const { name, version } = (kind !== 'oci' && !isFile(identifier) && WITH_VERSION.exec(identifier)?.groups) || {};
  return name && version ? { identifier: name, version } : { identifier };
}

/** @param {Setting} setting */
const inputOf = ({ name, description, secret, required }) => ({
  name,
  ...(description && { description }),
  ...(required && { isRequired: true }),
  ...(secret && { isSecret: true }),
});

/**
 * Return the draft of an entry; null if the entry has something that the form cannot show.
 * @param {Entry} entry
 * @returns {Draft|null}
 */
export function draftOf(entry) {
  const draft = roughDraft(entry);
  return draft && sameContent(entryOf(draft), entry) ? draft : null;
}

/** @param {Entry} entry @returns {Draft|null} */
function roughDraft({ name, title = '', description, version, packages, remotes }) {
  const [one, more] = [...(packages ?? []), ...(remotes ?? [])];
  const kind = one?.registryType ?? one?.type;
  if (more || !Object.hasOwn(KINDS, kind ?? '')) return null;
  const inputs = (isRemote({ kind }) ? one.headers : one.environmentVariables) ?? [];
  const joint = kind === 'npm' ? '@' : '==';
  const identifier = one.url ?? (one.version ? `${one.identifier}${joint}${one.version}` : one.identifier);
  const lines = (one.packageArguments ?? []).map((/** @type {any} */ each) => each.value);
  if (![name, title, description, version, identifier, ...lines].every((text) => typeof text === 'string')) return null;
  return {
    name,
    title,
    description,
    version,
    kind,
    identifier,
    arguments: lines.join('\n'),
    settings: inputs.map((/** @type {any} */ input) => ({
      name: String(input.name),
      description: input.description ?? '',
      secret: input.isSecret === true,
      required: input.isRequired === true,
    })),
  };
}

/** Return whether two JSON values are equal, whatever the order of members. @param {any} one @param {any} other */
function sameContent(one, other) {
  return canonical(one) === canonical(other);
}

/** @param {any} value @returns {string} */
function canonical(value) {
  return JSON.stringify(value, (_, inner) =>
    inner && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  );
}

/**
 * Return the entry in a pasted text: a server.json, or the answer of a registry that has one (`server`).
 * @param {string} text
 * @returns {{ entry: Entry, fault: '' } | { entry: null, fault: string }}
 */
export function pastedEntry(text) {
  try {
    const content = JSON.parse(text);
    const entry = content?.server ?? content;
    if (entry && typeof entry === 'object' && !Array.isArray(entry)) return { entry, fault: '' };
    return { entry: null, fault: 'A server.json is an object.' };
  } catch (error) {
    return { entry: null, fault: `The text is not JSON: ${/** @type {Error} */ (error).message}` };
  }
}
