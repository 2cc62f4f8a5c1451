// Credit: what is there, what calls cost, and every transaction.
import { html, useState } from '../lib/html.js';
import { get, page } from '../lib/api.js';
import { useList, useLoad } from '../lib/load.js';
import { link, setQuery } from '../lib/router.js';
import { may } from '../lib/session.js';
import { moment, money, words } from '../lib/format.js';
import { Facts, Id, Page, Section, Shown, Tabs } from '../ui/parts.js';
import { Table } from '../ui/table.js';
import { Buy } from './billing/buy.js';
import { Matches } from './billing/matches.js';
import { Prices } from './billing/prices.js';
import { Spend } from './billing/spend.js';
import { Statement } from './billing/statement.js';

const KINDS = ['purchase', 'usage', 'hold', 'release', 'grant', 'refund', 'dispute', 'correction'];
const DAYS = 7;

export function Billing({ query }) {
  const [buying, setBuying] = useState(false);
  const balance = useLoad((signal) => get('/billing/balance', {}, signal), [], { every: 10000 });
  const from = new Date(Math.floor(Date.now() / 3600000) * 3600000 - DAYS * 86400000).toISOString();
  const usage = useLoad((signal) => get('/billing/usage', { from }, signal), [from]);
  const tab = query.tab ?? 'credit';
  const buy = balance.data && may('billing:write') && html`<button type="button" onClick=${() => setBuying(true)}>Buy credit</button>`;
  return html`<${Page} title="Billing" actions=${buy}>
    <${Tabs} current=${tab} tabs=${[
      ['credit', 'Credit', link('billing')],
      ['statement', 'Statement', link('billing', { tab: 'statement' })],
      ['matches', 'Carrier', link('billing', { tab: 'matches' })],
      ['prices', 'Prices', link('billing', { tab: 'prices' })],
      ['limits', 'Spend limits', link('billing', { tab: 'limits' })],
    ]} />
    ${tab === 'credit' && html`<${Section} title="Credit"><${Shown} of=${balance}>${(of) => html`<${Credit} of=${of} spent=${usage.data?.[0]?.amount} />`}<//><//><${Transactions} query=${query} />`}
    ${tab === 'statement' && html`<${Statement} query=${query} />`}
    ${tab === 'matches' && html`<${Matches} query=${query} />`}
    ${tab === 'prices' && html`<${Prices} query=${query} />`}
    ${tab === 'limits' && html`<${Spend} query=${query} currency=${balance.data?.currency} />`}
    ${buying && html`<${Buy} currency=${balance.data?.currency} onClose=${() => setBuying(false)} />`}
  <//>`;
}

function Transactions({ query }) {
  const list = useList((cursor, signal) => page('/billing/transactions', { kind: query.kind, cursor }, signal), [query.kind], { every: 10000 });
  return html`<${Section} title="Transactions">
      <form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
        <label>Kind <select value=${query.kind ?? ''} onChange=${(event) => setQuery({ kind: event.target.value || undefined })}>
          <option value="">all</option>${KINDS.map((kind) => html`<option key=${kind} value=${kind}>${words(kind)}</option>`)}
        </select></label>
      </form>
      <${Shown} of=${list}>${() => html`<${Table} label="Transactions" rows=${list.items} more=${list.more} href=${(one) => one.source.type === 'call' && link('calls', one.source.id)}
        empty="There is no transaction yet." columns=${[
          { name: 'at', label: 'When', cell: (one) => moment(one.at) },
          { name: 'kind', label: 'What', cell: (one) => words(one.kind) },
          { name: 'amount', label: 'Amount', cell: (one) => money(one.amount) },
          { name: 'after', label: 'Available after', wide: true, cell: (one) => money(one.balance_after) },
          { name: 'source', label: 'Because of', cell: (one) => (one.source.type === 'call'
            ? html`<${Id} id=${one.source.id} href=${link('calls', one.source.id)} />` : one.reason ?? html`<${Id} id=${one.source.id} />`) },
        ]} />`}<//>
  <//>`;
}

function Credit({ of, spent }) {
  const sum = (amount_micros) => money({ amount_micros, currency: of.currency ?? '' });
  const aDay = (spent?.amount_micros ?? 0) / DAYS;
  return html`<${Facts} rows=${[
    ['Available', sum(of.available)],
    ['Kept for calls', sum(of.held)],
    ['Spent a day', `${sum(aDay)} over the last ${DAYS} days`],
    aDay > 0 && ['Lasts for', `${Math.max(0, Math.floor((of.available + of.held + of.credit_line) / aDay))} days at that rate`],
    ['Paid in advance', of.prepaid ? 'yes' : 'no'],
    of.prepaid && ['Credit line', sum(of.credit_line)],
    of.low_at !== null && ['Told at', sum(of.low_at)],
  ]} />`;
}
