// One customer: what is known of them, whom they were merged with, and their timeline.
import { html, useState } from '../../lib/html.js';
import { get, page, post, remove } from '../../lib/api.js';
import { useList, useLoad } from '../../lib/load.js';
import { go, link } from '../../lib/router.js';
import { may } from '../../lib/session.js';
import { count, moment, words } from '../../lib/format.js';
import { Act, Badge, Facts, Id, Json, Page, Section, Shown } from '../../ui/parts.js';
import { Failure, Text, useForm } from '../../ui/form.js';
import { Table } from '../../ui/table.js';
import { say } from '../../ui/toast.js';
import { Parties } from '../calls/parties.js';
import { CustomerForm } from './form.js';
import { Memories } from './memories.js';

const SCREENS = { call: 'calls', conversation: 'conversations' };

const What = ({ entry: { type, data } }) => {
  if (type === 'call') return html`<${Parties} call=${data} />`;
  if (type === 'conversation') return `${count(data.message_count)} messages`;
  if (type === 'memory') return data.content;
  return words(type);
};

export function Customer({ id }) {
  const one = useLoad((signal) => get(`/customers/${id}`, {}, signal), [id]);
  const writes = may('customers:write');
  return html`<${Shown} of=${one}>${(customer) => html`<${Page} title=${customer.name ?? customer.external_id ?? 'Customer'} sub=${html`<${Id} id=${id} whole />`}
      actions=${writes && !customer.merged_into && html`<${Act} tone="bad" confirm="Really delete?" act=${async () => { await remove(`/customers/${id}`, customer.version); say('Deleted'); go('customers'); }}>Delete<//>`}>
    <${Section}><${Facts} rows=${[
      customer.merged_into && ['Merged into', html`<${Id} id=${customer.merged_into} href=${link('customers', customer.merged_into)} />`],
      ['Numbers', customer.phones.join(', ') || '–'],
      ['E-mail', customer.emails.join(', ') || '–'],
      ['External id', customer.external_id ?? '–'],
      ['Language', customer.language ?? '–'],
      ['Time zone', customer.timezone ?? '–'],
      ['Created', moment(customer.created_at)],
      ['Changed', moment(customer.updated_at)],
    ]} /><//>
    <${Memories} id=${id} writes=${writes} />
    <${Timeline} id=${id} version=${customer.version} />
    <div class="columns">
      ${writes && !customer.merged_into && html`<${Section} title="Change it"><${CustomerForm} key=${customer.version} customer=${customer} saved=${one.reload} /><//>`}
      ${!customer.merged_into && html`<${Section} title="Merges"><${Merges} customer=${customer} writes=${writes} saved=${one.reload} /><//>`}
      <${Section} title="As the API shows it"><${Json} value=${customer} label="Customer" /><//>
    </div>
  <//>`}<//>`;
}

function Timeline({ id, version }) {
  const [shared, setShared] = useState([]);
  const list = useList(async (cursor, signal) => {
    const answer = await page(`/customers/${id}/timeline`, { cursor }, signal);
    setShared(answer.meta.shared_phones ?? []);
    return answer;
  }, [id, version], { every: 10000 });
  return html`<${Section} title="Timeline">
    ${shared.length > 0 && html`<p class="hint" role="note">Other customers have ${shared.join(', ')}, too: calls with it are linked to none of them.</p>`}
    <${Shown} of=${list}>${() => html`<${Table} label="What is linked" rows=${list.items} more=${list.more} href=${(entry) => SCREENS[entry.type] && link(SCREENS[entry.type], entry.id)}
      empty="Nothing is linked to them yet." columns=${[
        { name: 'at', label: 'When', cell: (entry) => html`<a class="plain" href=${link(SCREENS[entry.type] ?? 'customers', SCREENS[entry.type] ? entry.id : id)}>${moment(entry.at)}</a>` },
        { name: 'type', label: 'What', cell: (entry) => words(entry.type) },
        { name: 'with', label: '', cell: (entry) => html`<${What} entry=${entry} />` },
        { name: 'status', label: 'Status', wide: true, cell: (entry) => html`<${Badge} is=${entry.data.status} />` },
      ]} />`}<//><//>`;
}

function Merges({ customer, writes, saved }) {
  const [other, setOther] = useState('');
  const form = useForm(async () => {
    await post(`/customers/${customer.id}/merge`, { other_id: other.trim() });
    say('Merged');
    saved();
  });
  const undo = (id) => post(`/customers/${customer.id}/unmerge`, { other_id: id }).then(saved);
  return html`
    ${customer.merged.length > 0 && html`<${Table} label="Merged customers" rows=${customer.merged} columns=${[
      { name: 'id', label: 'Customer', cell: (one) => html`<${Id} id=${one.id} href=${link('customers', one.id)} />` },
      { name: 'external', label: 'External id', wide: true, cell: (one) => one.external_id ?? '–' },
      { name: 'at', label: 'Merged', cell: (one) => moment(one.merged_at) },
      { name: 'undo', label: '', cell: (one) => writes && html`<${Act} confirm="Really undo?" act=${() => undo(one.id)} done="Undone">Undo<//>` },
    ]} />`}
    ${writes && html`<form class="form" onSubmit=${form.submit}>
      <${Text} wide label="Merge another one into this" value=${other} onInput=${setOther} error=${form.errors.other_id} placeholder="cus_…" hint="The id of the customer that goes" required />
      <${Failure} form=${form} />
      <div class="actions wide"><button disabled=${form.busy}>Merge</button></div>
    </form>`}`;
}
