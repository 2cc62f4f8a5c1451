// Customers: who they are, and one timeline of all that is linked to them.
import { html, useState } from '../lib/html.js';
import { page } from '../lib/api.js';
import { useList } from '../lib/load.js';
import { go, link, setQuery } from '../lib/router.js';
import { may } from '../lib/session.js';
import { moment } from '../lib/format.js';
import { Page, Section, Shown } from '../ui/parts.js';
import { Text } from '../ui/form.js';
import { Dialog } from '../ui/dialog.js';
import { Table } from '../ui/table.js';
import { Customer } from './customers/customer.js';
import { CustomerForm } from './customers/form.js';

export function Customers({ path, query }) {
  return path[0] ? html`<${Customer} key=${path[0]} id=${path[0]} />` : html`<${CustomerList} query=${query} />`;
}

function CustomerList({ query }) {
  const list = useList((cursor, signal) => page('/customers', { q: query.q, cursor }, signal), [query.q]);
  const [text, setText] = useState(query.q ?? '');
  const [making, setMaking] = useState(false);
  const search = (event) => {
    event.preventDefault();
    setQuery({ q: text.trim() || undefined });
  };
  return html`<${Page} title="Customers" actions=${may('customers:write') && html`<button type="button" onClick=${() => setMaking(true)}>New customer</button>`}>
    <${Section}>
      <form class="filters" role="search" onSubmit=${search}>
        <${Text} label="Find" type="search" value=${text} onInput=${setText} hint="Part of a name, or a number, e-mail address or external id" maxlength="200" />
        <button>Search</button>
      </form>
      <${Shown} of=${list}>${() => html`<${Table} label="Customers" rows=${list.items} more=${list.more} href=${(one) => link('customers', one.id)}
        empty=${query.q ? 'Nobody fits.' : 'There is no customer yet.'} columns=${[
          { name: 'name', label: 'Name', cell: (one) => html`<a href=${link('customers', one.id)}>${one.name ?? one.external_id ?? 'no name'}</a>` },
          { name: 'phones', label: 'Numbers', cell: (one) => one.phones.join(', ') || '–' },
          { name: 'emails', label: 'E-mail', wide: true, css: 'break', cell: (one) => one.emails.join(', ') || '–' },
          { name: 'external', label: 'External id', wide: true, cell: (one) => one.external_id ?? '–' },
          { name: 'at', label: 'Changed', wide: true, cell: (one) => moment(one.updated_at) },
        ]} />`}<//>
    <//>
    ${making && html`<${Dialog} wide title="New customer" onClose=${() => setMaking(false)}><${CustomerForm} saved=${(made) => go('customers', made.id)} /><//>`}
  <//>`;
}
