// API keys: who may do what, and how much they do.
import { html, useState } from '../lib/html.js';
import { get, page, patch, post } from '../lib/api.js';
import { useList, useLoad } from '../lib/load.js';
import { link } from '../lib/router.js';
import { may } from '../lib/session.js';
import { ago, count, moment } from '../lib/format.js';
import { Act, Badge, Copy, Facts, Id, Page, Section, Shown } from '../ui/parts.js';
import { Table } from '../ui/table.js';
import { Dialog } from '../ui/dialog.js';
import { Bars } from '../ui/bars.js';
import { NewKey } from './keys/new.js';

export function Keys({ path }) {
  return path[0] ? html`<${Key} key=${path[0]} id=${path[0]} />` : html`<${KeyList} />`;
}

function stateOf(key) {
  if (key.revoked_at) return 'revoked';
  if (key.expires_at && new Date(key.expires_at) < new Date()) return 'expired';
  return key.enabled ? 'active' : 'disabled';
}

function KeyList() {
  const keys = useList((cursor, signal) => page('/auth/api-keys', { cursor }, signal), [], { every: 15000 });
  const [adding, setAdding] = useState(false);
  const columns = [
    { name: 'name', label: 'Name', cell: (key) => html`<a href=${link('keys', key.id)}>${key.name}</a>` },
    { name: 'prefix', label: 'Begins with', cell: (key) => html`<code>${key.key_prefix}…</code>` },
    { name: 'state', label: 'State', cell: (key) => html`<${Badge} is=${stateOf(key)} />` },
    { name: 'scopes', label: 'Scopes', wide: true, css: 'line', cell: (key) => html`<code>${key.scopes.join(' ')}</code>` },
    { name: 'used', label: 'Requests', num: true, wide: true, cell: (key) => count(key.usage_count) },
    { name: 'last', label: 'Last used', wide: true, cell: (key) => ago(key.last_used_at) },
  ];
  return html`<${Page} title="Keys and usage" actions=${may('keys:write') && html`<button type="button" class="primary" onClick=${() => setAdding(true)}>Create a key</button>`}>
    <${Section}><${Shown} of=${keys}>${() => html`<${Table} label="API keys" columns=${columns} rows=${keys.items} more=${keys.more} href=${(key) => link('keys', key.id)} />`}<//><//>
    ${adding && html`<${NewKey} onClose=${() => { setAdding(false); keys.reload(); }} />`}
  <//>`;
}

function Key({ id }) {
  const key = useLoad((signal) => get(`/auth/api-keys/${id}`, {}, signal), [id], { every: 15000 });
  const stats = useLoad((signal) => get(`/auth/api-keys/${id}/stats`, {}, signal), [id], { every: 15000 });
  const [plain, setPlain] = useState(null);
  const change = (path, body) => async () => {
    const answer = await post(`/auth/api-keys/${id}/${path}`, body);
    if (answer.plain_key) setPlain(answer.plain_key);
    key.reload();
  };
  const actions = (one) => may('keys:write') && !one.revoked_at && html`
    <${Act} act=${async () => { await patch(`/auth/api-keys/${id}`, { enabled: !one.enabled }); key.reload(); }} done=${one.enabled ? 'Disabled' : 'Enabled'}>${one.enabled ? 'Disable' : 'Enable'}<//>
    <${Act} confirm="Really? The old one goes on for a day" act=${change('rotate', { overlap_seconds: 86400 })}>Rotate<//>
    <${Act} tone="bad" confirm="Really revoke?" act=${change('revoke')} done="Revoked">Revoke<//>`;
  return html`<${Shown} of=${key}>${(one) => html`<${Page} title=${one.name} sub=${html`<${Id} id=${id} whole />`} actions=${actions(one)}>
    <${Section}><${Facts} rows=${[
      ['State', html`<${Badge} is=${stateOf(one)} />`],
      ['Begins with', html`<code>${one.key_prefix}…</code>`],
      ['Scopes', html`<code>${one.scopes.join(' ')}</code>`],
      ['Requests', count(one.usage_count)],
      ['Left of its quota', stats.data?.quota_remaining === null || !stats.data ? 'no quota' : count(stats.data.quota_remaining)],
      ['Requests an hour', one.rate_limit ? `at most ${count(one.rate_limit)}` : 'as the client may'],
      ['Last used', ago(one.last_used_at)],
      ['Expires', one.expires_at ? moment(one.expires_at) : 'never'],
      ['Made', moment(one.created_at)],
    ]} /><//>
    ${stats.data && html`<div class="columns">
      <${Section} title="Requests by day"><${Bars} rows=${stats.data.by_day.slice(-30).map((day) => ({ label: day.date, value: day.count }))} empty="Not used yet." /><//>
      <${Section} title="Requests by endpoint"><${Bars} rows=${stats.data.by_endpoint.slice(0, 20).map((use) => ({ label: use.endpoint, value: use.count }))} empty="Not used yet." /><//>
    </div>`}
    ${plain && html`<${Dialog} title="The new key" onClose=${() => setPlain(null)}><${Once} plain=${plain} /><//>`}
  <//>`}<//>`;
}

export const Once = ({ plain }) => html`<p>It is shown only now, and never again:</p><p class="secret" data-plain-key>${plain}</p>
  <div class="actions"><${Copy} text=${plain} label="Copy the key" what="key copied" /></div>`;
