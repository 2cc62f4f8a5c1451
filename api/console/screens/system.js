// Whether the node keeps up: stores, views, outbox, webhooks, providers.
import { html } from '../lib/html.js';
import { get, optional, Problem } from '../lib/api.js';
import { useLoad } from '../lib/load.js';
import { parseMetrics } from '../lib/metrics.js';
import { lost } from '../lib/server.js';
import { count, millis, words } from '../lib/format.js';
import { Badge, Facts, NotAvailable, Page, Section, Shown } from '../ui/parts.js';
import { Table } from '../ui/table.js';

async function plain(path, signal) {
  try {
    return await fetch(path, { signal, cache: 'no-store' });
  } catch (error) {
    if (signal.aborted) throw error;
    lost();
    throw new Problem(0, { code: 'unreachable', detail: 'the node does not answer' });
  }
}

async function read(signal) {
  const [ready, version, metrics] = await Promise.all(['/readyz', '/version', '/metrics'].map((path) => plain(path, signal)));
  return { ready: await ready.json(), version: (await version.json()).version, metrics: metrics.ok ? parseMetrics(await metrics.text()) : null };
}

export function System() {
  const state = useLoad(read, [], { every: 3000 });
  const providers = useLoad((signal) => optional(get('/llm/providers', {}, signal)), [], { every: 10000 });
  return html`<${Page} title="System" sub=${state.data && `voxledger ${state.data.version}`}>
    <${Shown} of=${state}>${(data) => html`<${Checks} ready=${data.ready} />${data.metrics ? html`<${Numbers} m=${data.metrics} />` : html`<${NotAvailable} what="Metrics" />`}`}<//>
    <${Section} title="Language models">${providers.data === null ? html`<${NotAvailable} what="The state of language models" />` : html`<${Shown} of=${providers}>${(list) => html`<${Providers} list=${list} />`}<//>`}<//>
  <//>`;
}

const Checks = ({ ready }) => html`<div class="columns">${ready.checks.map((check) => html`<div key=${check.name} class="box ${check.ready ? 'good' : 'bad'}">
  <strong>${check.ready ? '✓' : '✗'} ${words(check.name)}</strong><p>${check.ready ? 'does its work' : check.detail}</p></div>`)}</div>`;

const mean = (m, name) => {
  const times = m.sum(`${name}_count`);
  return times ? millis((1000 * m.sum(`${name}_sum`)) / times) : '–';
};
const seconds = (value) => (value === null ? '–' : millis(value * 1000));

function Numbers({ m }) {
  const views = m.all('voxledger_projection_position').map(({ labels, value }) => {
    const of = (name) => m.all(`voxledger_projection_${name}`).find((one) => one.labels.projection === labels.projection)?.value ?? 0;
    return { name: labels.projection, position: value, events: of('lag_events'), seconds: of('lag_seconds'), stalled: of('stalled') > 0 };
  }).sort((a, b) => a.name.localeCompare(b.name));
  const engine = m.all('voxledger_append_queue_depth')[0]?.labels.engine;
  const breakers = m.all('voxledger_breakers_open').sort((a, b) => a.labels.guards.localeCompare(b.labels.guards));
  return html`
    <${Section} title="Flow"><${Facts} rows=${[
      ['Log', engine ?? '–'],
      ['An append takes, mean', mean(m, 'voxledger_append_seconds')],
      ['Appends waiting', count(m.sum('voxledger_append_queue_depth'))],
      ['Effects waiting', count(m.sum('voxledger_outbox_pending'))],
      ['Oldest effect', seconds(m.sum('voxledger_outbox_age_seconds'))],
      ['Timers', count(m.sum('voxledger_timers'))],
      ['Webhooks waiting', count(m.sum('voxledger_webhook_pending'))],
      ['Oldest due webhook', seconds(m.sum('voxledger_webhook_oldest_due_seconds'))],
      ['Actors in memory', m.all('voxledger_live_actors').map((one) => `${count(one.value)} ${words(Object.values(one.labels)[0] ?? '')}`).join(', ') || '0'],
      ['A carrier’s webhook takes, mean', mean(m, 'voxledger_carrier_ingress_seconds')],
      ['Carrier webhooks', m.all('voxledger_carrier_ingress_total').filter((one) => one.value).map((one) => `${count(one.value)} ${words(one.labels.outcome)}`).join(', ') || '0'],
      ...breakers.map(({ labels, value }) => [`Breakers: ${labels.guards}`, html`<${Badge} is=${value ? 'failed' : 'ready'} text=${value ? `${count(value)} open` : 'closed'} />`]),
    ]} /><//>
    <${Section} title="Views"><${Table} label="Views" rows=${views} rowKey=${(view) => view.name} columns=${[
      { name: 'name', label: 'View', cell: (view) => words(view.name) },
      { name: 'state', label: 'State', cell: (view) => html`<${Badge} is=${view.stalled ? 'failed' : view.events > 1000 ? 'warning' : 'ready'} text=${view.stalled ? 'stands still' : view.events > 1000 ? 'behind' : 'keeps up'} />` },
      { name: 'events', label: 'Events behind', num: true, cell: (view) => count(view.events) },
      { name: 'seconds', label: 'Time behind', num: true, wide: true, cell: (view) => seconds(view.seconds) },
      { name: 'position', label: 'Position', num: true, cell: (view) => count(view.position) },
    ]} /><//>`;
}

const Providers = ({ list }) => html`<${Table} label="Language models" rows=${list} rowKey=${(one) => one.provider} empty="No provider is configured." columns=${[
  { name: 'provider', label: 'Provider', cell: (one) => words(one.provider) },
  { name: 'configured', label: 'Configured', cell: (one) => (one.configured ? `by the ${one.credentials ?? 'node'}` : 'no') },
  { name: 'breaker', label: 'Breaker', cell: (one) => html`<${Badge} is=${{ closed: 'ready', open: 'failed' }[one.breaker] ?? 'warning'} text=${words(one.breaker)} />` },
  { name: 'model', label: 'Model', wide: true, cell: (one) => one.default_model ?? '' },
  { name: 'error', label: 'Last error', wide: true, cell: (one) => words(one.last_error ?? '') },
]} />`;
