/** Elements, requests and dialogs of the stand-in's pages. */

/** @type {(tag: string, attributes?: Record<string, any>, ...children: (Node | string)[]) => any} */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** @type {(path: string) => Promise<any>} */
export const get = async (path) => (await fetch(path)).json();

/** Send an edit; whether it was done. @type {(method: string, path: string, body?: unknown) => Promise<boolean>} */
export async function send(method, path, body) {
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch(path, body === undefined ? { method } : { method, headers, body: JSON.stringify(body) });
  if (!response.ok) alert(`Failed: ${(await response.json()).error}`);
  return response.ok;
}

/** @type {(...children: (Node | string)[]) => void} */
export function show(...children) {
  document.querySelector('main > div')?.replaceChildren(...children);
}

/**
 * An open dialog: heading, then content (the second child), then the button that closes it. Returns what closes it.
 *
 * @type {(title: string, description: string, ...content: Node[]) => () => void}
 */
export function openDialog(title, description, ...content) {
  const box = h('div', { role: 'dialog', 'aria-label': title, tabindex: '-1' });
  const close = () => {
    document.removeEventListener('keydown', onEscape);
    box.remove();
  };
  const onEscape = (/** @type {KeyboardEvent} */ event) => event.key === 'Escape' && close();
  const button = h('button', { type: 'button', onclick: close }, h('span', {}, 'Close'));
  box.append(h('div', {}, h('h2', {}, title), h('p', {}, description)), ...content, button);
  document.addEventListener('keydown', onEscape);
  document.body.append(box);
  box.focus();
  return close;
}

/**
 * A dialog with a form.
 *
 * @type {(title: string, description: string, submit: string, fields: Node[], save: () => Promise<boolean>) => void}
 */
export function openForm(title, description, submit, fields, save) {
  const onsubmit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (await save()) close();
  };
  const cancel = h('button', { type: 'button', onclick: () => close() }, 'Cancel');
  const form = h(
    'form',
    { onsubmit },
    h('div', {}, ...fields),
    h('div', {}, cancel, h('button', { type: 'submit' }, submit)),
  );
  const close = openDialog(title, description, form);
}

/** @type {(label: string, id: string, value?: string, tag?: string) => {row: Node, input: HTMLInputElement}} */
export function field(label, id, value = '', tag = 'input') {
  const input = h(tag, { id });
  input.value = value;
  return { row: h('div', {}, h('label', { for: id }, label), input), input };
}

/** @type {(what: string, name: string, save: () => Promise<boolean>, more?: string) => void} */
export function confirmDelete(what, name, save, more = '') {
  const content = h('div', {}, h('h3', {}, 'This action cannot be undone'));
  content.append(
    h('p', {}, `You are about to permanently delete the ${what} `, h('span', {}, `"${name}"`), `.${more}`),
  );
  const cancel = h('button', { type: 'button', onclick: () => close() }, 'Cancel');
  const go = h('button', { type: 'button', onclick: async () => (await save()) && close() }, `Delete ${what}`);
  const title = `Delete ${what[0].toUpperCase()}${what.slice(1)}`;
  const close = openDialog(title, `Are you sure you want to delete this ${what}?`, content, h('div', {}, cancel, go));
}

/** @type {(file: string, saved: () => void) => Promise<void>} */
export async function editJson(file, saved) {
  const path = `/api/config/${file.replace('.json', '')}`;
  const text = h('textarea', { 'aria-label': file });
  text.value = JSON.stringify(await get(path), null, 2);
  const save = async () => {
    if (!(await send('PUT', path, JSON.parse(text.value)))) return;
    close();
    saved();
  };
  const buttons = h('div', {}, h('button', { type: 'button', onclick: save }, 'Save Changes'));
  const close = openDialog(
    `Edit ${file}`,
    'Edit the raw file.',
    h('div', {}, h('div', { id: 'json-editor' }, text)),
    buttons,
  );
}
