// One call: its timeline, why it ended, its raw events, and what it was at any version.
import { html, useEffect, useState, useRef } from '../../lib/html.js';
import { all, get, optional } from '../../lib/api.js';
import { follow } from '../../lib/sse.js';
import { useLoad, useNow, throttled } from '../../lib/load.js';
import { link } from '../../lib/router.js';
import { useNames } from '../../lib/names.js';
import { count, money, moment, span, words } from '../../lib/format.js';
import { Badge, Facts, Id, Page, Section, Shown, Tabs } from '../../ui/parts.js';
import { Table } from '../../ui/table.js';
import { CallActions, isLive } from './actions.js';
import { Parties, Party } from './parties.js';
import { Timeline } from './timeline.js';
import { Why } from './why.js';
import { RawEvents } from './events.js';
import { Travel } from './travel.js';
import { deliveriesOf } from './deliveries.js';
import { Files } from './files.js';

export function Call({ id, query }) {
  // its cost comes after its last event
  const call = useLoad((signal) => get(`/calls/${id}`, {}, signal), [id], { every: 10000 });
  return html`<${Shown} of=${call}>${(data) => html`<${One} call=${data} reload=${call.reload} query=${query} />`}<//>`;
}

function One({ call, reload, query }) {
  const { id } = call;
  const { events, state } = useEvents(id, reload);
  const transcript = useLoad((signal) => all(`/calls/${id}/transcript`, { order: 'asc' }, signal), [id, call.version]);
  const session = useLoad((signal) => readSession(call.ivr_session_id, signal), [call.ivr_session_id, call.version]);
  const deliveries = useLoad((signal) => deliveriesOf(events, session.data?.events, signal), [id, toldCount(events, session.data?.events)], { every: isFresh(call) ? 4000 : 0 });
  const filed = events.filter((event) => FILED.includes(event.type)).length;
  const files = useLoad((signal) => optional(all(`/calls/${id}/artifacts`, {}, signal)), [id, call.recording_status, filed]);
  const tab = query.tab ?? 'timeline';
  const tabs = [['timeline', 'Timeline'], ['events', `Raw events (${events.length})`], ['travel', 'Time travel']];
  return html`<${Page} title=${html`<${Parties} call=${call} />`} sub=${html`<${Id} id=${id} whole /> `}
      actions=${html`${isLive(call) && html`<span class="live-dot ${state}">${state}</span>`}<${CallActions} call=${call} />`}>
    <${Summary} call=${call} session=${session.data?.session} />
    <${Tabs} current=${tab} tabs=${tabs.map(([name, label]) => [name, label, link('calls', id, name === 'timeline' ? {} : { tab: name })])} />
    ${tab === 'timeline' && html`<div class="columns main-side">
      <${Section} title="Timeline"><${Timeline} call=${call} events=${events} transcript=${transcript.data ?? []} session=${session.data} deliveries=${deliveries.data ?? []} /><//>
      <div class="stack"><${Why} call=${call} events=${events} /><${Files} files=${files.data} /><${Cost} of=${call.cost} /><${Transcript} lines=${transcript.data} /></div>
    </div>`}
    ${tab === 'events' && html`<${RawEvents} call=${call} events=${events} />`}
    ${tab === 'travel' && html`<${Travel} call=${call} events=${events} at=${query.version} />`}
  <//>`;
}

// The history first, then live; the call and all that hangs on it are read again as it changes.
function useEvents(id, changed) {
  const [events, setEvents] = useState([]);
  const [state, setState] = useState('waiting');
  const tell = useRef(changed);
  tell.current = changed;
  useEffect(() => {
    const abort = new AbortController();
    const reread = throttled(() => abort.signal.aborted || tell.current(), 300);
    let held = [];
    const show = throttled(() => {
      const more = held;
      held = [];
      if (more.length) setEvents((old) => [...old, ...more.filter((event) => event.version > (old.at(-1)?.version ?? 0))]);
    }, 60);
    follow(`/calls/${id}/stream`, {
      signal: abort.signal,
      onState: setState,
      onEvent: ({ data }) => {
        held.push(data);
        show();
        reread();
      },
    });
    return () => abort.abort();
  }, [id]);
  return { events, state };
}

async function readSession(id, signal) {
  if (!id) return null;
  const [session, events] = await Promise.all([
    optional(get(`/ivr/sessions/${id}`, {}, signal)),
    optional(all(`/ivr/sessions/${id}/events`, {}, signal)),
  ]);
  return session && { session, events: events ?? [] };
}

// deliveries of a call that just ended are still on their way
const isFresh = (call) => isLive(call) || Date.now() - new Date(call.ended_at) < 60000;

// deliveries are looked for again when something else was told to clients
const TOLD = ['call.received', 'call.queued', 'call.ringing', 'call.answered', 'call.ended', 'call.recording_saved'];
const toldCount = (events, more = []) => events.filter((event) => TOLD.includes(event.type)).length
  + more.filter((event) => event.type === 'ivr_session.ended').length;

// what happens to files
const FILED = ['call.recording_saved', 'call.recording_stored', 'call.recording_not_stored', 'call.recording_removed'];

function Summary({ call, session }) {
  const now = useNow(isLive(call) ? 1000 : 60000);
  const menus = useNames('menus', [session?.current_menu_id]);
  const length = call.duration_ms ?? (call.answered_at && isLive(call) ? now - new Date(call.answered_at) : null);
  return html`<${Section}><${Facts} rows=${[
    ['Status', html`<${Badge} is=${call.status} />`],
    ['Length', span(length)],
    ['Began', moment(call.created_at)],
    ['From', html`<${Party} of=${call.from} />`],
    ['To', html`<${Party} of=${call.to} />`],
    call.end_reason && ['Ended by', words(call.end_reason)],
    session && ['Menu', html`<a href=${link('ivr', session.current_menu_id)}>${menus.get(session.current_menu_id)?.name ?? 'menu'}</a> <${Badge} is=${session.status} />`],
    call.agent_id && ['Agent', html`<${Id} id=${call.agent_id} href=${link('agents', call.agent_id)} />`],
    call.conversation_id && ['Conversation', html`<${Id} id=${call.conversation_id} href=${link('conversations', call.conversation_id)} />`],
    ['Carrier', `${call.provider ?? '–'}${call.answered_by ? `, ${words(call.answered_by)} answered` : ''}`],
    call.cost && ['Cost', money(call.cost)],
    call.recording_status !== 'none' && ['Recording', call.recording_status],
    Object.keys(call.metadata).length > 0 && ['Metadata', html`<code>${JSON.stringify(call.metadata)}</code>`],
  ]} /><//>`;
}

const Cost = ({ of }) => of?.items?.length > 0 && html`<${Section} title="Cost">
  <${Table} label="Cost by part" rows=${of.items} rowKey=${(item) => [item.component, item.unit, item.provider, item.model].join()} columns=${[
    { name: 'component', label: 'Part', cell: (item) => words(item.component) },
    { name: 'of', label: 'Provider, model', wide: true, cell: (item) => [item.provider, item.model].filter(Boolean).join(', ') || '–' },
    { name: 'quantity', label: 'Quantity', num: true, cell: (item) => `${count(item.quantity)} ${words(item.unit)}` },
    { name: 'price', label: 'Price', num: true, wide: true, cell: (item) => `${money(item.unit_price)} for ${count(item.per)}` },
    { name: 'amount', label: 'Amount', num: true, cell: (item) => money(item.amount) },
  ]} />
<//>`;

const Transcript = ({ lines }) => lines?.length > 0 && html`<${Section} title="Transcript">
  <ol class="talk">${lines.map((line) => html`<li key=${line.seq} class=${line.role}>
    <span class="dim">${line.role}</span> ${line.kind === 'dtmf' ? html`<kbd>${line.text}</kbd>` : line.text ?? html`<em>erased</em>`}</li>`)}</ol>
<//>`;
