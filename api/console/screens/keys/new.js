// Make a key, and show its plain text once.
import { html, useState } from '../../lib/html.js';
import { post } from '../../lib/api.js';
import { may } from '../../lib/session.js';
import { Failure, Text, useForm } from '../../ui/form.js';
import { Dialog } from '../../ui/dialog.js';
import { Once } from '../keys.js';

const RESOURCES = ['calls', 'conversations', 'ivr', 'webhooks', 'agents', 'tools', 'numbers', 'keys', 'users', 'analytics', 'audit', 'providers',
  'customers', 'billing', 'privacy'];
// to read what privacy is about is part of `customers`
const ONE_VERB = { analytics: ['read'], audit: ['read'], customers: ['read'], privacy: ['write'] };
const verbs = (resource) => ONE_VERB[resource] ?? ['read', 'write'];

export function NewKey({ onClose }) {
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState(new Set(['calls:read']));
  const [days, setDays] = useState('');
  const [rate, setRate] = useState('');
  const [plain, setPlain] = useState(null);
  const toggle = (scope) => {
    const next = new Set(scopes);
    if (!next.delete(scope)) next.add(scope);
    setScopes(next);
  };
  const form = useForm(async () => {
    const body = { name, scopes: [...scopes], ...(days && { expires_in_days: Number(days) }), ...(rate && { rate_limit: Number(rate) }) };
    setPlain((await post('/auth/api-keys', body)).plain_key);
  });
  const all = scopes.has('*');
  return html`<${Dialog} title="Create a key" onClose=${onClose} wide>
    ${plain ? html`<${Once} plain=${plain} /><div class="actions"><button type="button" class="primary" onClick=${onClose}>Done</button></div>` : html`
    <form class="form" onSubmit=${form.submit}>
      <${Text} label="Name" name="name" value=${name} onInput=${setName} error=${form.errors.name} required />
      <${Text} label="Expires in days" type="number" min="1" max="3650" value=${days} onInput=${setDays} error=${form.errors.expires_in_days} hint="Never, if left out" />
      <${Text} label="Requests an hour" type="number" min="1" value=${rate} onInput=${setRate} error=${form.errors.rate_limit} hint="As the client may, if left out" />
      <fieldset class="wide scopes"><legend>What it may do</legend>
        ${may('*') && html`<div class="checks"><label><input type="checkbox" checked=${all} onChange=${() => setScopes(new Set(all ? [] : ['*']))} />everything</label></div>`}
        ${!all && html`<div class="grid">${RESOURCES.map((resource) => html`<div key=${resource} class="checks"><span>${resource}</span>
          ${verbs(resource).map((verb) => `${resource}:${verb}`).map((scope) => html`<label key=${scope}>
            <input type="checkbox" disabled=${!may(scope)} checked=${scopes.has(scope)} onChange=${() => toggle(scope)} aria-label=${scope} />${scope.split(':')[1]}</label>`)}</div>`)}</div>`}
      </fieldset>
      <${Failure} form=${form} />
      <div class="actions wide"><button class="primary" disabled=${form.busy || !scopes.size}>Create</button></div>
    </form>`}
  <//>`;
}
