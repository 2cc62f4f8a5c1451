// Business actions: who, what, before and after, from where, when.
import { html, useState } from '../../lib/html.js';
import { page } from '../../lib/api.js';
import { useList } from '../../lib/load.js';
import { link, setQuery } from '../../lib/router.js';
import { screenOf } from '../../lib/type_id.js';
import { moment, words } from '../../lib/format.js';
import { Facts, Id, Json, Section, Shown } from '../../ui/parts.js';
import { Dialog } from '../../ui/dialog.js';
import { Search } from '../../ui/form.js';
import { Table } from '../../ui/table.js';

const about = (id) => {
  const place = screenOf(id);
  return html`<${Id} id=${id} href=${place && link(...place)} />`;
};

export function AuditLog({ query }) {
  const filter = { action: query.action, actor: query.actor, resource: query.resource };
  const list = useList((cursor, signal) => page('/audit/log', { ...filter, cursor }, signal), [filter], { every: 15000 });
  const [shown, setShown] = useState(null);
  const set = (name) => (value) => setQuery({ [name]: value });
  const columns = [
    { name: 'at', label: 'When', cell: (entry) => html`<button type="button" class="tell" onClick=${() => setShown(entry)}>${moment(entry.at)}</button>` },
    { name: 'action', label: 'Action', cell: (entry) => words(entry.action.toLowerCase()) },
    { name: 'actor', label: 'Who', cell: (entry) => html`<span class="dim">${words(entry.actor.type)}</span> ${about(entry.actor.id)}` },
    { name: 'resource', label: 'What', wide: true, cell: (entry) => html`<span class="dim">${words(entry.resource.type)}</span> ${about(entry.resource.id)}` },
    { name: 'ip', label: 'From', wide: true, cell: (entry) => entry.ip ?? '' },
  ];
  return html`<${Section}>
    <div class="filters">
      <${Search} label="Action" data-search value=${query.action ?? ''} onCommit=${set('action')} placeholder="API_KEY_CREATED  ( / )" />
      <${Search} label="Who" value=${query.actor ?? ''} onCommit=${set('actor')} placeholder="key_… or usr_…" />
      <${Search} label="What" value=${query.resource ?? ''} onCommit=${set('resource')} placeholder="call_…" />
    </div>
    <${Shown} of=${list}>${() => html`<${Table} label="Audit log" columns=${columns} rows=${list.items} more=${list.more} empty="Nothing fits." />`}<//>
    ${shown && html`<${Dialog} wide title=${words(shown.action.toLowerCase())} onClose=${() => setShown(null)}>
      <${Facts} rows=${[
        ['When', moment(shown.at)], ['Who', about(shown.actor.id)], ['What', about(shown.resource.id)], ['From', shown.ip ?? '–'],
        ['Request', html`<${Id} id=${shown.request_id} />`], ['Event', html`<a href=${link('audit', 'explorer', { position: shown.position })}>${shown.position}</a>`],
      ]} />
      <div class="columns"><div><h3>Before</h3><${Json} value=${shown.before} label="Before" /></div><div><h3>After</h3><${Json} value=${shown.after} label="After" /></div></div>
    <//>`}
  <//>`;
}
