import { useId, useState } from 'preact/hooks';
import { html } from './html.mjs';

/**
 * Tabs; arrow keys move between them.
 *
 * @param {{ label: string, tabs: { id: string, title: any, body: () => any }[] }} props
 */
export function Tabs({ label, tabs }) {
  const [picked, pick] = useState(tabs[0]?.id);
  const id = useId();
  const index = Math.max(
    0,
    tabs.findIndex((tab) => tab.id === picked),
  );
  const move = (/** @type {KeyboardEvent} */ event) => {
    const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = tabs[(to + tabs.length) % tabs.length];
    pick(next.id);
    document.getElementById(`${id}-${next.id}`)?.focus();
  };
  return html`<div class="tabs">
    <div role="tablist" aria-label=${label} class="tablist" onKeyDown=${move}>
      ${tabs.map(
        (tab, i) => html`<button
          type="button"
          role="tab"
          key=${tab.id}
          id=${`${id}-${tab.id}`}
          aria-selected=${String(i === index)}
          aria-controls=${`${id}-panel`}
          tabindex=${i === index ? 0 : -1}
          onClick=${() => pick(tab.id)}
        >
          ${tab.title}
        </button>`,
      )}
    </div>
    <div role="tabpanel" id=${`${id}-panel`} aria-labelledby=${`${id}-${tabs[index]?.id}`} tabindex="0" class="tabpanel">
      ${tabs[index]?.body()}
    </div>
  </div>`;
}
