import { Button } from './controls.mjs';
import { html } from './html.mjs';
import { Notice } from './notice.mjs';
import { dismiss, announcement, toasts } from './toast.mjs';

/** The container of toasts; once in a page. */
export function Toasts() {
  return html`
    <div class="toasts">
      <p class="unseen" role="status">${announcement}</p>
      ${toasts.value.map((item) =>
        item.error
          ? html`<div class="toast toast-error" key=${item.id}>
              <${Notice} error=${item.error} />
              <${Button} icon="close" quiet label="Dismiss" onClick=${() => dismiss(item.id)} />
            </div>`
          : html`<div class="toast" key=${item.id}>${item.text}</div>`,
      )}
    </div>
  `;
}
