// Prices: the lists in force and to come, and an editor for the platform's administrator.
import { html, useState } from '../../lib/html.js';
import { all, call, get } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';
import { setQuery } from '../../lib/router.js';
import { useStore } from '../../lib/store.js';
import { amountOf, count, moment, money, words } from '../../lib/format.js';
import { may, me } from '../../lib/session.js';
import { Choice, Failure, Text, useForm } from '../../ui/form.js';
import { Dialog } from '../../ui/dialog.js';
import { say } from '../../ui/toast.js';
import { Section, Shown } from '../../ui/parts.js';
import { Table } from '../../ui/table.js';

// what can be counted of each part of a call
const UNITS = {
  carrier: ['second', 'request', 'cost'],
  stt: ['second'],
  llm: ['input_token', 'output_token'],
  tts: ['character'],
  platform: ['second', 'request'],
};
const BLANK = { component: 'carrier', unit: 'second', provider: '', model: '', per: '60', price: '0', increment: '1', minimum: '0' };

export function Prices({ query }) {
  const platform = useStore(me)?.platform;
  const of = platform ? query.client : undefined;
  const lists = useLoad((signal) => get('/billing/prices', { client_id: of }, signal), [of]);
  const [editing, setEditing] = useState(null);
  const saved = () => {
    setEditing(null);
    say('The prices hold from now on.');
    lists.reload();
  };
  const list = lists.data?.find((one) => (of ? one.client_id === of : !one.client_id)) ?? { currency: lists.data?.[0]?.currency ?? 'USD', prices: [] };
  return html`<${Section} title="Prices" actions=${lists.data && may('billing:write') && html`<button type="button" class="small" onClick=${() => setEditing(list)}>Change the prices</button>`}>
    ${platform && html`<${Whose} of=${of} />`}
    <${Shown} of=${lists}>${(all) => (all.length ? all.map((list) => html`<${List} key=${`${list.client_id}${list.effective_from}`} of=${list} />`) : html`<p class="hint">There are no prices yet, so calls cost nothing.</p>`)}<//>
    ${editing && html`<${Editor} of=${editing} client=${of} saved=${saved} onClose=${() => setEditing(null)} />`}
  <//>`;
}

// The platform's administrator sets everybody's prices, and those of a client.
function Whose({ of }) {
  const clients = useLoad((signal) => all('/auth/clients', {}, signal), []);
  return html`<form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
    <label>Prices of <select value=${of ?? ''} onChange=${(event) => setQuery({ client: event.target.value || undefined })}>
      <option value="">everybody</option>${(clients.data ?? []).map((client) => html`<option key=${client.id} value=${client.id} selected=${client.id === of}>${client.name}</option>`)}
    </select></label>
  </form>`;
}

const List = ({ of }) => html`<h3>${of.client_id ? 'The client’s own' : 'Everybody’s'}, from ${moment(of.effective_from)}</h3>
  <${Table} label="Prices from ${moment(of.effective_from)}" rows=${of.prices} rowKey=${(one) => [one.component, one.unit, one.provider, one.model].join()} empty="An empty list: nothing of its own." columns=${[
    { name: 'component', label: 'Part', cell: (one) => words(one.component) },
    { name: 'of', label: 'Provider, model', wide: true, cell: (one) => [one.provider, one.model].filter(Boolean).join(', ') || 'any' },
    { name: 'price', label: 'Price', num: true, cell: (one) => money({ amount_micros: one.price, currency: of.currency }) },
    { name: 'per', label: 'for', cell: (one) => (one.unit === 'cost' ? `${count(one.per)} millionths of the carrier’s charge` : `${count(one.per)} ${words(one.unit)}`) },
    { name: 'rounding', label: 'Counted in', wide: true, cell: (one) => `steps of ${count(one.increment)}${one.minimum ? `, at least ${count(one.minimum)}` : ''}` },
  ]} />`;

const shown = (price) => ({
  ...price,
  provider: price.provider ?? '',
  model: price.model ?? '',
  per: String(price.per),
  price: String(price.price / 1e6),
  increment: String(price.increment),
  minimum: String(price.minimum),
});

const sent = ({ provider, model, ...price }) => ({
  ...price,
  ...(provider.trim() && { provider: provider.trim() }),
  ...(model.trim() && { model: model.trim() }),
  per: Number(price.per),
  price: amountOf(price.price),
  increment: Number(price.increment),
  minimum: Number(price.minimum),
});

function Editor({ of, client, saved, onClose }) {
  const [currency, setCurrency] = useState(of.currency);
  const [rows, setRows] = useState(of.prices.length ? of.prices.map(shown) : [BLANK]);
  const form = useForm(async () => {
    await call('PUT', '/billing/prices', { body: { currency, prices: rows.map(sent), ...(client && { client_id: client }) } });
    saved();
  });
  const change = (at, more) => setRows(rows.map((row, n) => (n === at ? { ...row, ...more } : row)));
  const part = (at, component) => change(at, { component, unit: UNITS[component].includes(rows[at].unit) ? rows[at].unit : UNITS[component][0] });
  return html`<${Dialog} title=${client ? 'Prices of the client' : 'Everybody’s prices'} onClose=${onClose} wide>
    <form class="form" onSubmit=${form.submit}>
      <${Text} label="Currency" name="currency" value=${currency} onInput=${setCurrency} error=${form.errors.currency} maxlength="3" hint="All prices of a node have the same one" required />
      ${rows.map((row, at) => html`<fieldset key=${at} class="wide form"><legend>Price ${at + 1}</legend>
        <${Choice} label="Part" value=${row.component} onInput=${(text) => part(at, text)} options=${Object.keys(UNITS).map((name) => [name, words(name)])} />
        <${Choice} label="Counted" value=${row.unit} onInput=${(unit) => change(at, { unit })} options=${UNITS[row.component].map((name) => [name, words(name)])} />
        <${Text} label="Provider" value=${row.provider} onInput=${(provider) => change(at, { provider })} hint="Any, if left out" />
        <${Text} label="Model" value=${row.model} onInput=${(model) => change(at, { model })} hint="Any, if left out" />
        <${Text} label="Price" inputmode="decimal" value=${row.price} onInput=${(price) => change(at, { price })} error=${form.errors[`prices[${at}].price`]} required />
        <${Text} label="For so many" type="number" min="1" value=${row.per} onInput=${(per) => change(at, { per })} error=${form.errors[`prices[${at}].per`]} required />
        <${Text} label="Counted in steps of" type="number" min="1" value=${row.increment} onInput=${(increment) => change(at, { increment })} required />
        <${Text} label="At least" type="number" min="0" value=${row.minimum} onInput=${(minimum) => change(at, { minimum })} required />
        <div class="actions wide"><button type="button" class="small quiet" onClick=${() => setRows(rows.filter((_, n) => n !== at))}>Remove price ${at + 1}</button></div>
      </fieldset>`)}
      <div class="actions wide"><button type="button" class="small" onClick=${() => setRows([...rows, BLANK])}>Add a price</button></div>
      ${client && html`<p class="hint wide">They come before everybody’s. Without a price in it, the list has the client pay everybody’s again.</p>`}
      <p class="hint wide">The list holds from now on in place of the one before. Calls that ended keep their prices.</p>
      <${Failure} form=${form} />
      <div class="actions wide"><button class="primary" disabled=${form.busy}>Set the prices</button></div>
    </form>
  <//>`;
}
