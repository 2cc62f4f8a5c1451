// The statement of a month, in the zone of this browser.
import { html } from '../../lib/html.js';
import { get } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';
import { setQuery } from '../../lib/router.js';
import { count, money, words } from '../../lib/format.js';
import { Csv } from '../../ui/download.js';
import { Facts, Section, Shown } from '../../ui/parts.js';
import { Table } from '../../ui/table.js';

const MONTHS = 24;

// this month and those before it, newest first
function months() {
  const now = new Date();
  return Array.from({ length: MONTHS }, (_, back) => {
    const at = new Date(now.getFullYear(), now.getMonth() - back, 1);
    return `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, '0')}`;
  });
}

export function Statement({ query }) {
  const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const all = months();
  const month = query.month ?? all[0];
  const path = `/billing/statements/${month}`;
  const statement = useLoad((signal) => get(path, { timezone }, signal), [month]);
  return html`<${Section} title="Statement">
    <form class="filters" onSubmit=${(event) => event.preventDefault()}>
      <label>Month <select value=${month} onChange=${(event) => setQuery({ month: event.target.value })}>
        ${all.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}
      </select></label>
      <${Csv} path=${path} query=${{ timezone }} name="statement-${month}.csv" />
    </form>
    <${Shown} of=${statement}>${(of) => html`
      <${Facts} rows=${[
        ['Credit before', money(of.opening)],
        ['Credit after', money(of.closing)],
        ['Transactions', count(of.transactions)],
        ['Time zone', of.timezone],
      ]} />
      <${Table} label="Sums by kind" rows=${of.totals} rowKey=${(one) => one.kind} empty="Nothing happened in this month." columns=${[
        { name: 'kind', label: 'What', cell: (one) => words(one.kind) },
        { name: 'count', label: 'Number', num: true, cell: (one) => count(one.count) },
        { name: 'amount', label: 'Amount', num: true, cell: (one) => money(one.amount) },
      ]} />
      ${of.components.length > 0 && html`<${Table} label="Cost of calls by part" rows=${of.components} rowKey=${(one) => one.component} columns=${[
        { name: 'component', label: 'Part of calls', cell: (one) => words(one.component) },
        { name: 'amount', label: 'Cost', num: true, cell: (one) => money(one.amount) },
      ]} />`}`}<//>
  <//>`;
}
