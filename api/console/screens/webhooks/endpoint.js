// One endpoint: its health, its deliveries, and what can be done about them.
import { html, useState } from '../../lib/html.js';
import { get, page, patch, post, remove } from '../../lib/api.js';
import { useList, useLoad } from '../../lib/load.js';
import { go, link, setQuery } from '../../lib/router.js';
import { may } from '../../lib/session.js';
import { ago, millis, moment, percent, words } from '../../lib/format.js';
import { Act, Badge, Facts, Fault, Id, Page, Secret, Section, Shown } from '../../ui/parts.js';
import { Choice, Search } from '../../ui/form.js';
import { Table } from '../../ui/table.js';
import { Dialog } from '../../ui/dialog.js';
import { EndpointForm } from './form.js';
import { Pulse, healthOf } from './health.js';
import { Replay } from './replay.js';

export function Endpoint({ id, query }) {
  const endpoint = useLoad((signal) => get(`/webhooks/${id}`, {}, signal), [id]);
  return html`<${Shown} of=${endpoint}>${(data) => html`<${One} endpoint=${data} reload=${endpoint.reload} query=${query} />`}<//>`;
}

function One({ endpoint, reload, query }) {
  const { id } = endpoint;
  const [dialog, setDialog] = useState(null);
  const [tested, setTested] = useState(null);
  const health = useLoad((signal) => healthOf(endpoint, signal), [id], { every: 5000 });
  const writes = may('webhooks:write');
  const test = async () => {
    setTested(await post(`/webhooks/${id}/test`));
    health.reload();
  };
  const actions = writes && html`
    <${Act} act=${test}>Send a test<//>
    <button type="button" onClick=${() => setDialog('replay')}>Replay…</button>
    <button type="button" onClick=${() => setDialog('edit')}>Edit</button>
    <${Act} act=${async () => { await patch(`/webhooks/${id}`, { enabled: !endpoint.enabled }); reload(); }}
      done=${endpoint.enabled ? 'Deliveries are held' : 'Deliveries go on'}>${endpoint.enabled ? 'Disable' : 'Enable'}<//>
    <${Act} confirm="Really?" act=${async () => setDialog({ secret: (await post(`/webhooks/${id}/rotate-secret`, {})).secret })}>Rotate the secret<//>
    <${Act} tone="bad" confirm="Really delete?" act=${async () => { await remove(`/webhooks/${id}`); go('webhooks'); }} done="Deleted">Delete<//>`;
  const h = health.data;
  return html`<${Page} title=${endpoint.url} sub=${html`<${Id} id=${id} whole />`} actions=${actions}>
    ${tested && html`<div class="box ${tested.success ? 'good' : 'bad'}" role="status"><strong>The test ${tested.success ? 'was taken' : 'was not taken'}.</strong>
      <p>${tested.status_code ?? words(tested.error)}, ${millis(tested.latency_ms)} ${tested.error_detail ?? ''} <a href=${link('webhooks', 'deliveries', tested.delivery_id)}>See the delivery</a></p></div>`}
    <${Section}><${Facts} rows=${[
      ['State', html`<${Badge} is=${endpoint.enabled ? 'active' : 'disabled'} text=${endpoint.enabled ? 'on' : endpoint.disabled_reason ?? 'off'} />`],
      ['Events', html`<code>${endpoint.events.join(' ')}</code>`],
      ['Order', words(endpoint.ordering)],
      ['Success of the last attempts', h ? percent(h.rate) : '…'],
      ['Median latency', h ? millis(h.median) : '…'],
      ['Last attempt', h?.last ? ago(h.last.created_at) : 'never'],
      endpoint.description && ['Description', endpoint.description],
    ]} />${h?.attempts.length > 0 && html`<${Pulse} attempts=${h.attempts} />`}<//>
    <${Deliveries} id=${id} query=${query} />
    ${dialog === 'replay' && html`<${Replay} id=${id} onClose=${() => setDialog(null)} />`}
    ${dialog === 'edit' && html`<${Dialog} title="Edit the endpoint" onClose=${() => setDialog(null)}>
      <${EndpointForm} endpoint=${endpoint} verb="Save" send=${async (body) => { await patch(`/webhooks/${id}`, body, endpoint.version); setDialog(null); reload(); }} /><//>`}
    ${dialog?.secret && html`<${Dialog} title="The new secret" onClose=${() => setDialog(null)}><${Secret} secret=${dialog.secret} /><//>`}
  <//>`;
}

const STATUSES = ['pending', 'succeeded', 'failed', 'cancelled'];

function Deliveries({ id, query }) {
  const filter = { status: query.status, event: query.event };
  const list = useList((cursor, signal) => page(`/webhooks/${id}/deliveries`, { ...filter, cursor }, signal), [id, filter], { every: 5000 });
  const columns = [
    { name: 'at', label: 'Event happened', cell: (item) => html`<a class="plain" href=${link('webhooks', 'deliveries', item.id)}>${moment(item.created_at)}</a>` },
    { name: 'event', label: 'Event', cell: (item) => html`<code>${item.event}</code>` },
    { name: 'status', label: 'Status', cell: (item) => html`<${Badge} is=${item.status} />` },
    { name: 'last', label: 'Last answer', wide: true, cell: (item) => answerOf(item.attempts.at(-1)) },
    { name: 'tries', label: 'Attempts', num: true, cell: (item) => item.attempt_count },
    { name: 'next', label: 'Next', wide: true, cell: (item) => (item.next_attempt_at ? ago(item.next_attempt_at) : '') },
    { name: 'do', label: 'Do', wide: true, cell: (item) => may('webhooks:write') && item.status !== 'pending' && html`
      <${Act} tone="small" act=${() => post(`/webhooks/deliveries/${item.id}/redeliver`).then(() => setTimeout(list.reload, 300))} done="It is sent again">Redeliver<//>` },
  ];
  return html`<${Section} title="Deliveries">
    <div class="filters">
      <${Choice} label="Status" value=${query.status ?? ''} onInput=${(status) => setQuery({ status })} options=${[['', 'any'], ...STATUSES.map((name) => [name, name])]} />
      <${Search} label="Event" data-search value=${query.event ?? ''} onCommit=${(event) => setQuery({ event })} placeholder="call.ended  ( / )" />
    </div>
    ${list.error && list.data === undefined ? html`<${Fault} error=${list.error} retry=${list.reload} />` : html`<${Shown} of=${list}>${() => html`
      <${Table} label="Deliveries" columns=${columns} rows=${list.items} more=${list.more} href=${(item) => link('webhooks', 'deliveries', item.id)} empty="No delivery fits." />`}<//>`}
  <//>`;
}

const answerOf = (attempt) => (attempt
  ? html`<span class=${attempt.error ? 'bad' : 'good'}>${attempt.status_code ?? words(attempt.error)}</span> <span class="dim">${millis(attempt.latency_ms)}</span>`
  : html`<span class="dim">–</span>`);
