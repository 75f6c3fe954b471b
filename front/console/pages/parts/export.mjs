/** Servers as a configuration to copy or to save. */

import { useEffect, useState } from 'preact/hooks';
import { api } from '../../hub/store.mjs';
import { Button, Checkbox, Choice, CopyButton, Dialog, html, Notice } from '../../ui.mjs';
import { count } from '../../words.mjs';

const FORMS = [
  { value: 'client', label: 'For a client (mcpServers)' },
  { value: 'providers', label: 'providers.json' },
];

/** @param {{ servers?: string[], onClose: () => void }} props `servers`: keys; none: all of the hub */
export function Export({ servers, onClose }) {
  const [form, setForm] = useState('client');
  const [secrets, setSecrets] = useState(false);
  const [found, setFound] = useState(/** @type {{ config?: any, variables?: string[], error?: any }} */ ({}));
  useEffect(() => {
    let current = true;
    const body = { form, secrets, ...(servers && { servers }) };
    api.post('/api/hub/export', {}, body).then(
      (answer) => current && setFound(answer),
      (error) => current && setFound({ error }),
    );
    return () => {
      current = false;
    };
  }, [form, secrets]);
  const { config, variables = [], error } = found;
  const text = config ? `${JSON.stringify(config, null, 2)}\n` : '';
  return html`<${Dialog} title=${servers ? `Export ${count(servers.length, 'server')}` : 'Export all servers'} onClose=${onClose} wide>
    <div class="dialog-body stack">
      <${Choice} label="Format" value=${form} options=${FORMS} onChange=${setForm} />
      <${Checkbox} label="Include secrets" checked=${secrets} onChange=${setSecrets} help="Variables, headers and tokens as they are stored. Anyone who gets the text can use them." />
      ${error && html`<${Notice} error=${error} />`}
      ${secrets && config && html`<${Notice} tone="warn" quiet><p>This text contains secrets.</p></${Notice}>`}
      ${variables.length > 0 && html`<p class="small muted">Set these variables where the configuration is used: ${variables.map((name) => html`<code key=${name}>${name}</code> `)}</p>`}
      <pre class="export" tabindex="0" role="region" aria-label="Configuration">${text}</pre>
    </div>
    <div class="dialog-foot">
      <${Button} onClick=${() => save(text, form)} disabled=${!config}>Save as a file</${Button}>
      <${CopyButton} text=${text} label="configuration" />
    </div>
  </${Dialog}>`;
}

/** @param {string} text @param {string} form */
function save(text, form) {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = form === 'client' ? 'mcp.json' : 'providers.json';
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
