// Calls going on now, as they change.
import { html, useEffect, useRef, useState, useMemo } from '../lib/html.js';
import { page, get } from '../lib/api.js';
import { useLoad, useNow, throttled } from '../lib/load.js';
import { useStore } from '../lib/store.js';
import { streaming, watchCalls } from '../lib/live.js';
import { useNames } from '../lib/names.js';
import { span } from '../lib/format.js';
import { link, setQuery } from '../lib/router.js';
import { may } from '../lib/session.js';
import { Badge, Fault, Id, Loading, Page, Section } from '../ui/parts.js';
import { Search } from '../ui/form.js';
import { Table } from '../ui/table.js';
import { CallActions, LIVE, isLive } from './calls/actions.js';
import { Parties } from './calls/parties.js';
import { NewCall } from './calls/new.js';

// how long an ended call is still shown, so that it does not vanish under one's eyes
const LINGER = 6000;
const MOST = 200;

export function Live({ query }) {
  const { list, error, reload } = useLiveCalls();
  const now = useNow();
  const state = useStore(streaming);
  const [placing, setPlacing] = useState(false);
  const filter = query.q ?? '';
  const shown = (list ?? []).filter((call) => !call.goneAt || now - call.goneAt < LINGER);
  const sessions = useSessions(shown);
  const lines = useLastLines(shown);
  const menus = useNames('menus', [...sessions.values()].map((session) => session.current_menu_id));
  const agents = useNames('agents', shown.map((call) => call.agent_id));
  const going = shown.filter((call) => !call.goneAt).length;

  const leads = (call) => {
    const session = sessions.get(call.id);
    if (session) return html`<a href=${link('ivr', session.current_menu_id)}>${menus.get(session.current_menu_id)?.name ?? 'menu'}</a>`;
    return call.agent_id ? agents.get(call.agent_id)?.name ?? html`<${Id} id=${call.agent_id} />` : html`<span class="dim">–</span>`;
  };
  const columns = [
    { name: 'state', label: 'State', cell: (call) => html`<${Badge} is=${call.status} />` },
    { name: 'age', label: 'For', num: true, cell: (call) => span(now - new Date(since(call))) },
    { name: 'who', label: 'Parties', cell: (call) => html`<a class="plain" href=${link('calls', call.id)}><${Parties} call=${call} /></a>` },
    { name: 'leads', label: 'Agent or menu', wide: true, cell: leads },
    { name: 'line', label: 'Last line', wide: true, css: 'line', cell: (call) => html`<${Line} line=${lines.get(call.id)} />` },
    { name: 'do', label: 'Do', wide: true, cell: (call) => html`<${CallActions} call=${call} small />` },
  ];
  return html`<${Page} title="Live calls" sub=${list && `${going} going on`}
      actions=${html`<span class="live-dot ${state}" role="status">${{ live: 'live', waiting: 'connecting…', refused: 'not allowed' }[state]}</span>
        ${may('calls:write') && html`<button type="button" class="primary" onClick=${() => setPlacing(true)}>Place a call</button>`}`}>
    <${Section}>
      <div class="filters"><${Search} label="Number" data-search value=${query.q ?? ''} onCommit=${(q) => setQuery({ q })} placeholder="+1202…  ( / )" /></div>
      ${error && !list ? html`<${Fault} error=${error} retry=${reload} />` : !list ? html`<${Loading} />` : html`
        <${Table} label="Live calls" columns=${columns} rows=${shown.filter((call) => !filter || `${call.from} ${call.to}`.includes(filter))}
          href=${(call) => link('calls', call.id)} rowClass=${(call) => (call.goneAt ? 'gone' : '')}
          empty=${filter ? 'No call with this number is going on.' : 'No call is going on. The next one shows here by itself.'} />`}
    <//>
    ${placing && html`<${NewCall} onClose=${() => setPlacing(false)} />`}
  <//>`;
}

const since = (call) => call.ended_at ?? call.answered_at ?? call.ringing_at ?? call.created_at;

const Line = ({ line }) => (line
  ? html`<span class="dim">${line.role === 'caller' ? '“' : '▸ '}</span>${line.kind === 'dtmf' ? `key ${line.text}` : line.text ?? '(erased)'}`
  : html`<span class="dim">–</span>`);

// The list, then every change of it.
function useLiveCalls() {
  const loaded = useLoad(async (signal) => {
    const at = Date.now();
    return { at, calls: (await page('/calls', { status: LIVE.join(','), limit: MOST }, signal)).data };
  }, []);
  const [changed, setChanged] = useState(new Map());
  const state = useStore(streaming);
  // what happened before the stream stood is in the list only
  useEffect(() => {
    if (state === 'live') loaded.reload();
  }, [state]);
  // and what was told before the list was read may be over since
  useEffect(() => {
    const at = loaded.data?.at;
    if (at) setChanged((old) => new Map([...old].filter(([, call]) => call.goneAt || call.toldAt >= at)));
  }, [loaded.data]);
  useEffect(() => watchCalls((event) => {
    if (event.name === 'reset') return loaded.reload();
    if (event.name !== 'call') return undefined;
    const { call } = event.data;
    return setChanged((old) => {
      const known = old.get(call.id);
      // what is told late of a call that is over does not bring it back
      const over = !isLive(call) && !known && Date.now() - new Date(call.ended_at) > LINGER;
      if (over || known?.version >= call.version) return old;
      const next = new Map(old).set(call.id, isLive(call) ? { ...call, toldAt: Date.now() } : { ...call, goneAt: known?.goneAt ?? Date.now() });
      if (next.size > 4 * MOST) prune(next);
      return next;
    });
  }), []);
  const list = useMemo(() => {
    if (!loaded.data) return null;
    const calls = new Map(loaded.data.calls.map((call) => [call.id, call]));
    for (const [id, call] of changed) if (!(calls.get(id)?.version > call.version)) calls.set(id, call);
    return [...calls.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
  }, [loaded.data, changed]);
  return { list, error: loaded.error, reload: loaded.reload };
}

function prune(calls) {
  for (const [id, call] of calls) if (call.goneAt && Date.now() - call.goneAt > LINGER) calls.delete(id);
}

// call id → session, read again when a call gets one, at most once a second
function useSessions(calls) {
  const [sessions, setSessions] = useState(new Map());
  const wanted = calls.filter((call) => call.ivr_session_id && !call.goneAt).map((call) => `${call.id}${call.version}`).join();
  const read = useRef(null);
  read.current ??= throttled(() => {
    page('/ivr/sessions', { status: 'active', limit: MOST }).then(({ data }) => {
      // those that are over stay as long as their calls may be shown
      setSessions((old) => new Map([...[...old].slice(-MOST), ...data.map((session) => [session.call_id, session])]));
    }, () => {});
  }, 1000);
  useEffect(() => {
    if (wanted && may('ivr:read')) read.current();
  }, [wanted]);
  return sessions;
}

// call id → what was said last, for the calls on top
function useLastLines(calls) {
  const [lines, setLines] = useState(new Map());
  const seen = useRef(new Map());
  const busy = useRef(new Set());
  const read = (call) => {
    if (busy.current.has(call.id)) return;
    busy.current.add(call.id);
    seen.current.set(call.id, call.version);
    get(`/calls/${call.id}/transcript`, { limit: 1, order: 'desc' })
      .then(([line]) => line && setLines((old) => new Map(old).set(call.id, line)), () => {})
      .finally(() => setTimeout(() => busy.current.delete(call.id), 400));
  };
  useEffect(() => {
    for (const call of calls.slice(0, 25)) {
      if (call.status === 'in_progress' && seen.current.get(call.id) !== call.version) read(call);
    }
  });
  return lines;
}
