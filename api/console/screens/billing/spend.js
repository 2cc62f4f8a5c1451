// Spend limits: of the client, of an API key or of an agent, and how far they are used.
import { html, useState } from '../../lib/html.js';
import { all, call, get } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';
import { useNames } from '../../lib/names.js';
import { setQuery } from '../../lib/router.js';
import { amountOf, count, money, words } from '../../lib/format.js';
import { may } from '../../lib/session.js';
import { Area, Failure, Text, useForm } from '../../ui/form.js';
import { Dialog } from '../../ui/dialog.js';
import { say } from '../../ui/toast.js';
import { Facts, Section, Shown } from '../../ui/parts.js';

const CLIENT = 'client';
// `type:id` of what limits are of, and the query that asks for them
const valueOf = (scope) => (scope.id ? `${scope.type}:${scope.id}` : CLIENT);
const queryOf = (value) => {
  const [type, id] = value.split(':');
  return id ? { [`${type}_id`]: id } : {};
};

export function Spend({ query, currency }) {
  const of = query.of ?? CLIENT;
  const limits = useLoad((signal) => get('/limits/spend', queryOf(of), signal), [of], { every: 10000 });
  const agents = useNames('agents');
  const [editing, setEditing] = useState(null);
  const keys = useLoad(async (signal) => (may('keys:read') ? all('/auth/api-keys', {}, signal) : []), []);
  const named = [...agents.values()].map((agent) => [`agent:${agent.id}`, agent.name])
    .concat((keys.data ?? []).map((key) => [`key:${key.id}`, `key ${key.name}`]));
  const others = (limits.data?.others ?? []).map(valueOf).filter((value) => !named.some(([known]) => known === value));
  const chosen = of === CLIENT || others.includes(of) || named.some(([known]) => known === of) ? [] : [of];
  const options = [[CLIENT, 'all calls'], ...named, ...[...others, ...chosen].map((value) => [value, value.replace(':', ' ')])];
  const saved = () => {
    setEditing(null);
    say('The limits hold from now on.');
    limits.reload();
  };
  const change = limits.data && may('billing:write') && html`<button type="button" class="small" onClick=${() => setEditing(limits.data)}>Change the limits</button>`;
  return html`<${Section} title="Spend limits" actions=${change}>
    <form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
      <label>Limits of <select value=${of} onChange=${(event) => setQuery({ of: event.target.value === CLIENT ? undefined : event.target.value })}>
        ${options.map(([value, name]) => html`<option key=${value} value=${value} selected=${value === of}>${name}</option>`)}
      </select></label>
    </form>
    <${Shown} of=${limits}>${(now) => html`<${Limits} of=${now} currency=${currency} />`}<//>
    ${editing && html`<${Editor} of=${editing} scope=${of} saved=${saved} onClose=${() => setEditing(null)} />`}
  <//>`;
}

function Limits({ of, currency }) {
  const sum = (amount_micros) => (amount_micros === null ? 'no limit' : money({ amount_micros, currency: currency ?? '' }));
  const calls = (most) => (most === null ? 'no limit' : `${count(most)} calls`);
  return html`<${Facts} rows=${[
    ['Only calls to', of.destinations.allow.join(', ') || 'everywhere'],
    ['No calls to', of.destinations.deny.join(', ') || '–'],
    ['A minute costs at most', sum(of.max_rate_per_minute)],
    ['A day costs at most', sum(of.daily_spend)],
    ['Spent today (UTC)', sum(of.spent_today)],
    ['Within a minute', calls(of.calls_per_minute)],
    ['Placed in the last minute', count(of.calls_within_a_minute)],
    ['To one number within an hour', calls(of.calls_per_number)],
    of.others.length > 0 && ['Limits of their own', of.others.map((other) => `${words(other.type)} ${other.id}`).join(', ')],
  ]} />`;
}

const lines = (text) => text.split(/[\s,]+/).filter(Boolean);
// what cannot be read is a fault of its field: left out it would lift the limit
function read(texts) {
  const errors = [];
  const body = Object.fromEntries(Object.entries(texts).map(([field, [value, how]]) => {
    const is = value.trim() ? how(value) : null;
    if (is !== null && !Number.isFinite(is)) errors.push({ field, detail: 'give a number, or nothing for no limit' });
    return [field, is];
  }));
  if (errors.length) throw Object.assign(new Error('A limit cannot be read.'), { status: 422, errors });
  return body;
}
const text = (value, by = 1) => (value === null ? '' : String(value / by));

function Editor({ of, scope, saved, onClose }) {
  const [allow, setAllow] = useState(of.destinations.allow.join('\n'));
  const [deny, setDeny] = useState(of.destinations.deny.join('\n'));
  const [rate, setRate] = useState(text(of.max_rate_per_minute, 1e6));
  const [daily, setDaily] = useState(text(of.daily_spend, 1e6));
  const [minute, setMinute] = useState(text(of.calls_per_minute));
  const [same, setSame] = useState(text(of.calls_per_number));
  const form = useForm(async () => {
    const body = {
      destinations: { allow: lines(allow), deny: lines(deny) },
      ...read({
        max_rate_per_minute: [rate, amountOf],
        daily_spend: [daily, amountOf],
        calls_per_minute: [minute, Number],
        calls_per_number: [same, Number],
      }),
    };
    await call('PATCH', '/limits/spend', { query: queryOf(scope), body });
    saved();
  });
  const wrong = (name) => Object.entries(form.errors).find(([field]) => field.startsWith(name))?.[1];
  return html`<${Dialog} title="Change the limits" onClose=${onClose}>
    <form class="form" onSubmit=${form.submit}>
      <${Area} label="Only calls to" value=${allow} onInput=${setAllow} error=${wrong('destinations.allow')} hint="Beginnings of numbers, like +49, or hosts, like sip:pbx.example. Empty: everywhere" />
      <${Area} label="No calls to" value=${deny} onInput=${setDeny} error=${wrong('destinations.deny')} hint="The longest entry that fits decides" />
      <${Text} label="A minute costs at most" inputmode="decimal" value=${rate} onInput=${setRate} error=${wrong('max_rate_per_minute')} hint="Empty: no limit" />
      <${Text} label="A day costs at most" inputmode="decimal" value=${daily} onInput=${setDaily} error=${wrong('daily_spend')} hint="Days are those of UTC" />
      <${Text} label="Calls within a minute" type="number" min="0" max="10000" value=${minute} onInput=${setMinute} error=${wrong('calls_per_minute')} />
      <${Text} label="Calls to one number within an hour" type="number" min="0" max="10000" value=${same} onInput=${setSame} error=${wrong('calls_per_number')} hint="It ends loops" />
      <${Failure} form=${form} />
      <div class="actions wide"><button class="primary" disabled=${form.busy}>Set the limits</button></div>
    </form>
  <//>`;
}
