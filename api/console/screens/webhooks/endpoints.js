// All endpoints and how they do.
import { html, useState } from '../../lib/html.js';
import { page, post } from '../../lib/api.js';
import { useList, useLoad } from '../../lib/load.js';
import { link } from '../../lib/router.js';
import { may } from '../../lib/session.js';
import { Badge, Page, Secret, Section, Shown } from '../../ui/parts.js';
import { Table } from '../../ui/table.js';
import { Dialog } from '../../ui/dialog.js';
import { EndpointForm } from './form.js';
import { Health, healthOf } from './health.js';

export function Endpoints() {
  const endpoints = useList((cursor, signal) => page('/webhooks', { cursor }, signal), [], { every: 10000 });
  const items = endpoints.items ?? [];
  const health = useLoad(async (signal) => {
    const read = await Promise.all(items.slice(0, 50).map(async (item) => [item.id, await healthOf(item, signal)]));
    return Object.fromEntries(read);
  }, [items.map((item) => item.id)], { every: 10000 });
  const [adding, setAdding] = useState(false);
  const columns = [
    { name: 'url', label: 'Endpoint', css: 'break', cell: (item) => html`<a href=${link('webhooks', item.id)}>${item.url}</a>${item.description && html`<br /><span class="dim">${item.description}</span>`}` },
    { name: 'state', label: 'State', cell: (item) => html`<${Badge} is=${item.enabled ? 'active' : 'disabled'} text=${item.enabled ? 'on' : item.disabled_reason ?? 'off'} />` },
    { name: 'events', label: 'Events', wide: true, cell: (item) => html`<code>${item.events.join(' ')}</code>` },
    { name: 'health', label: 'Last attempts', wide: true, cell: (item) => html`<${Health} of=${health.data?.[item.id]} />` },
  ];
  return html`<${Page} title="Webhooks" sub="Signed by Standard Webhooks, tried for more than a day."
      actions=${may('webhooks:write') && html`<button type="button" class="primary" onClick=${() => setAdding(true)}>Add an endpoint</button>`}>
    <${Section}><${Shown} of=${endpoints}>${() => html`<${Table} label="Endpoints" columns=${columns} rows=${items} more=${endpoints.more}
      href=${(item) => link('webhooks', item.id)} empty="Your systems hear of nothing yet: add an endpoint." />`}<//><//>
    ${adding && html`<${Add} onClose=${() => { setAdding(false); endpoints.reload(); }} />`}
  <//>`;
}

function Add({ onClose }) {
  const [made, setMade] = useState(null);
  return html`<${Dialog} title="Add an endpoint" onClose=${onClose}>
    ${made
      ? html`<${Secret} secret=${made.secret} /><a class="button" href=${link('webhooks', made.id)} onClick=${onClose}>Open the endpoint</a>`
      : html`<${EndpointForm} send=${async (body) => setMade(await post('/webhooks', body))} verb="Add" />`}
  <//>`;
}
