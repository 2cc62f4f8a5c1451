// What the match with the carrier's own records found.
import { html } from '../../lib/html.js';
import { page } from '../../lib/api.js';
import { useList } from '../../lib/load.js';
import { link, setQuery } from '../../lib/router.js';
import { count, moment, money, words } from '../../lib/format.js';
import { Id, Section, Shown } from '../../ui/parts.js';
import { Table } from '../../ui/table.js';

const STATES = ['ours_only', 'theirs_only', 'differs', 'matched'];

// seconds and an amount of one side
function side(seconds, amount) {
  const parts = [seconds !== null && `${count(seconds)} s`, amount && money(amount)].filter(Boolean);
  return parts.join(', ') || '–';
}

export function Matches({ query }) {
  const list = useList((cursor, signal) => page('/billing/matches', { state: query.state, cursor }, signal), [query.state], { every: 10000 });
  return html`<${Section} title="Match with the carrier's records">
      <form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
        <label>State <select value=${query.state ?? ''} onChange=${(event) => setQuery({ state: event.target.value || undefined })}>
          <option value="">all</option>${STATES.map((state) => html`<option key=${state} value=${state}>${words(state)}</option>`)}
        </select></label>
      </form>
      <${Shown} of=${list}>${() => html`<${Table} label="Differences" rows=${list.items} more=${list.more} href=${(one) => one.call_id && link('calls', one.call_id)}
        empty=${query.state ? 'Nothing is listed with this state.' : 'No differences are listed. Days that were not matched yet have none.'} columns=${[
          { name: 'began', label: 'Call began', cell: (one) => moment(one.began_at) },
          { name: 'state', label: 'State', cell: (one) => words(one.state) },
          { name: 'ours', label: 'Ours', cell: (one) => (one.ours ? side(one.ours.seconds, one.ours.amount) : '–') },
          { name: 'carrier', label: 'Carrier', cell: (one) => (one.carrier ? side(one.carrier.billed_seconds ?? one.carrier.seconds, one.carrier.amount) : '–') },
          { name: 'ledger', label: 'Ledger', wide: true, cell: (one) => (one.ledger ? money(one.ledger) : '–') },
          { name: 'difference', label: 'Difference', cell: (one) => side(one.difference.seconds, one.difference.amount) },
          { name: 'call', label: 'Call', cell: (one) => (one.call_id
            ? html`<${Id} id=${one.call_id} href=${link('calls', one.call_id)} />` : html`<${Id} id=${one.carrier_leg_id} />`) },
        ]} />`}<//>
  <//>`;
}
