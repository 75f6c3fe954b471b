import { useId, useLayoutEffect, useRef } from 'preact/hooks';
import { Button } from './controls.mjs';
import { html } from './html.mjs';

/**
 * A modal dialog; the browser keeps the focus inside, and returns it afterwards.
 *
 * @param {{ title: string, onClose: () => void, children: any, wide?: boolean }} props
 */
export function Dialog({ title, onClose, children, wide = false }) {
  const ref = useRef(/** @type {HTMLDialogElement|null} */ (null));
  const id = useId();
  useLayoutEffect(() => {
    const dialog = ref.current;
    const opener = document.activeElement;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (opener instanceof HTMLElement) opener.focus(); // the browser does not if the dialog has left the page by now
    };
  }, []);
  const cancelled = (/** @type {Event} */ event) => {
    event.preventDefault();
    onClose();
  };
  return html`<dialog ref=${ref} class=${wide ? 'wide' : ''} aria-labelledby=${id} onCancel=${cancelled}>
    <div class="dialog-head">
      <h2 id=${id}>${title}</h2>
      <${Button} icon="close" quiet label="Close" onClick=${onClose} />
    </div>
    ${children}
  </dialog>`;
}

/**
 * Asks for confirmation of an action.
 *
 * @param {object} props
 * @param {string} props.title
 * @param {string} props.action what the button says
 * @param {() => Promise<void>} props.onConfirm closes the dialog by itself when done
 * @param {() => void} props.onClose
 * @param {any} props.children what will happen
 */
export function Confirm({ title, action, onConfirm, onClose, children }) {
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <div class="dialog-body">${children}</div>
    <div class="dialog-foot">
      <${Button} onClick=${onClose}>Cancel</${Button}>
      <${Button} danger onClick=${onConfirm}>${action}</${Button}>
    </div>
  </${Dialog}>`;
}
