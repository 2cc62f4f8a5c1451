// All calls, with filters; one of them when the address names it.
import { html } from '../lib/html.js';
import { page } from '../lib/api.js';
import { useList } from '../lib/load.js';
import { link, go, setQuery } from '../lib/router.js';
import { moment, span, words } from '../lib/format.js';
import { Badge, Id, Page, Section, Shown } from '../ui/parts.js';
import { Choice, Search } from '../ui/form.js';
import { Table } from '../ui/table.js';
import { Parties } from './calls/parties.js';
import { Call } from './calls/call.js';

const STATUSES = ['queued', 'dialing', 'ringing', 'in_progress', 'ended', 'failed', 'dial_unknown'];
const REASONS = ['caller_hangup', 'agent_hangup', 'api_hangup', 'ivr_completed', 'transferred', 'busy', 'no_answer', 'rejected', 'cancelled',
  'invalid_number', 'voicemail', 'max_duration', 'silence_timeout', 'ivr_no_input', 'ivr_too_many_invalid', 'dial_timeout', 'insufficient_credits',
  'concurrency_limit', 'provider_error', 'media_lost', 'platform_error', 'merged', 'unknown'];
const options = (names) => [['', 'any'], ...names.map((name) => [name, words(name)])];

export function Calls({ path, query }) {
  if (path[0]) return html`<${Call} key=${path[0]} id=${path[0]} query=${query} />`;
  return html`<${CallList} query=${query} />`;
}

function CallList({ query }) {
  const filter = { status: query.status, direction: query.direction, end_reason: query.end_reason, from: query.from, to: query.to };
  const calls = useList((cursor, signal) => page('/calls', { ...filter, cursor }, signal), [filter], { every: 15000 });
  const set = (name) => (value) => setQuery({ [name]: value });
  const find = (text) => {
    if (text.startsWith('call_')) go('calls', text);
    else setQuery({ from: text });
  };
  const columns = [
    { name: 'at', label: 'When', cell: (call) => html`<a href=${link('calls', call.id)} class="plain">${moment(call.created_at)}</a>` },
    { name: 'who', label: 'Parties', cell: (call) => html`<${Parties} call=${call} />` },
    { name: 'status', label: 'Status', cell: (call) => html`<${Badge} is=${call.status} />` },
    { name: 'why', label: 'Ended by', wide: true, cell: (call) => (call.end_reason ? html`${words(call.end_reason)} ${call.fault !== 'none' && html`<${Badge} is=${call.fault} />`}` : '') },
    { name: 'length', label: 'Length', num: true, cell: (call) => span(call.duration_ms) },
    { name: 'id', label: 'Id', wide: true, cell: (call) => html`<${Id} id=${call.id} />` },
  ];
  return html`<${Page} title="Calls">
    <${Section}>
      <div class="filters">
        <${Search} label="Caller or call id" data-search placeholder="+1202… or call_…  ( / )" value=${query.from ?? ''} onCommit=${find} />
        <${Choice} label="Status" value=${query.status ?? ''} onInput=${set('status')} options=${options(STATUSES)} />
        <${Choice} label="Direction" value=${query.direction ?? ''} onInput=${set('direction')} options=${options(['inbound', 'outbound'])} />
        <${Choice} label="End reason" value=${query.end_reason ?? ''} onInput=${set('end_reason')} options=${options(REASONS)} />
      </div>
      <${Shown} of=${calls}>${() => html`<${Table} label="Calls" columns=${columns} rows=${calls.items} more=${calls.more}
        href=${(call) => link('calls', call.id)} empty="No call fits." />`}<//>
    <//>
  <//>`;
}
