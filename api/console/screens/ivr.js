// Menus that callers walk through.
import { html, useState } from '../lib/html.js';
import { get, page, post, optional } from '../lib/api.js';
import { useList, useLoad } from '../lib/load.js';
import { go, link } from '../lib/router.js';
import { may } from '../lib/session.js';
import { moment } from '../lib/format.js';
import { Badge, Page, Section, Shown } from '../ui/parts.js';
import { Table } from '../ui/table.js';
import { Menu } from './ivr/menu.js';
import { Session } from './ivr/session.js';
import { Editor } from './ivr/editor.js';

export function Ivr({ path, query }) {
  if (path[0] === 'sessions' && path[1]) return html`<${Session} key=${path[1]} id=${path[1]} />`;
  if (path[0] === 'new') return html`<${NewMenu} />`;
  if (path[0]) return html`<${Menu} key=${path[0]} id=${path[0]} query=${query} />`;
  return html`<${Menus} />`;
}

function Menus() {
  const menus = useList((cursor, signal) => page('/ivr/menus', { cursor }, signal), []);
  const items = menus.items ?? [];
  const findings = useLoad(async (signal) => {
    const read = await Promise.all(items.slice(0, 50).map(async (menu) => [menu.id, await optional(get(`/ivr/menus/${menu.id}/lint`, {}, signal))]));
    return Object.fromEntries(read);
  }, [items.map((menu) => menu.id + menu.version)]);
  const led = new Set(items.flatMap((menu) => menu.items.filter((item) => item.action === 'submenu').map((item) => item.target)));
  const columns = [
    { name: 'name', label: 'Menu', cell: (menu) => html`<a href=${link('ivr', menu.id)}>${menu.name}</a> ${!led.has(menu.id) && html`<${Badge} is="active" text="first" />`}` },
    { name: 'prompt', label: 'Prompt', wide: true, css: 'line', cell: (menu) => menu.prompt },
    { name: 'keys', label: 'Keys', num: true, cell: (menu) => menu.items.length },
    { name: 'lint', label: 'Findings', cell: (menu) => html`<${Findings} of=${findings.data?.[menu.id]} />` },
    { name: 'at', label: 'Changed', wide: true, cell: (menu) => moment(menu.updated_at) },
  ];
  return html`<${Page} title="Menus" actions=${may('ivr:write') && html`<a class="button" href=${link('ivr', 'new')}>New menu</a>`}>
    <${Section}><${Shown} of=${menus}>${() => html`<${Table} label="Menus" columns=${columns} rows=${items} more=${menus.more}
      href=${(menu) => link('ivr', menu.id)} empty="There is no menu yet." />`}<//><//>
  <//>`;
}

const some = (n, what) => `${n} ${what}${n === 1 ? '' : 's'}`;

function Findings({ of }) {
  if (!of) return html`<span class="dim">…</span>`;
  const errors = of.filter((finding) => finding.severity === 'error').length;
  if (!of.length) return html`<${Badge} is="ready" text="none" />`;
  return html`<${Badge} is=${errors ? 'error' : 'warning'} text=${errors ? some(errors, 'error') : some(of.length, 'warning')} />`;
}

function NewMenu() {
  const [menu] = useState({ name: '', prompt: '', items: [], on_exhausted: { action: 'hangup' } });
  return html`<${Page} title="New menu"><${Section}>
    <${Editor} menu=${menu} verb="Make the menu" send=${async (body) => go('ivr', (await post('/ivr/menus', body)).id)} />
  <//><//>`;
}
