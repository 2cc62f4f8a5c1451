// One menu: its tree with what callers did, an editor, a simulator, its sessions.
import { html, useState } from '../../lib/html.js';
import { all, get, optional, page, patch, remove } from '../../lib/api.js';
import { useList, useLoad } from '../../lib/load.js';
import { go, link } from '../../lib/router.js';
import { may } from '../../lib/session.js';
import { count, moment, words } from '../../lib/format.js';
import { Act, Badge, Id, NotAvailable, Page, Section, Shown, Tabs } from '../../ui/parts.js';
import { Choice } from '../../ui/form.js';
import { Table } from '../../ui/table.js';
import { say } from '../../ui/toast.js';
import { Editor } from './editor.js';
import { Graph } from './graph.js';
import { Simulator } from './simulator.js';

export function Menu({ id, query }) {
  const menus = useLoad((signal) => all('/ivr/menus', {}, signal), [id]);
  return html`<${Shown} of=${menus}>${(list) => html`<${One} id=${id} menus=${new Map(list.map((menu) => [menu.id, menu]))} reload=${menus.reload} query=${query} />`}<//>`;
}

function One({ id, menus, reload, query }) {
  const menu = menus.get(id);
  const [at, setAt] = useState(null);
  const [days, setDays] = useState('7');
  const tab = query.tab ?? 'tree';
  const findings = useLoad((signal) => get(`/ivr/menus/${id}/lint`, {}, signal), [id, menu?.version]);
  if (!menu) return html`<${Page} title="Menu"><p class="hint">There is no such menu.</p><//>`;
  const tabs = [['tree', 'Tree'], ['simulator', 'Simulator'], ['edit', 'Editor'], ['sessions', 'Sessions']];
  const save = async (body) => {
    await patch(`/ivr/menus/${id}`, body, menu.version);
    say('Saved');
    reload();
  };
  return html`<${Page} title=${menu.name} sub=${html`<${Id} id=${id} whole /> <span>version ${menu.version}</span>`}
      actions=${may('ivr:write') && html`<${Act} tone="bad" confirm="Really delete?" act=${async () => { await remove(`/ivr/menus/${id}`, menu.version); go('ivr'); }} done="Deleted">Delete<//>`}>
    <${Tabs} current=${tab} tabs=${tabs.map(([name, label]) => [name, label, link('ivr', id, name === 'tree' ? {} : { tab: name })])} />
    <${Lint} findings=${findings.data} menus=${menus} />
    ${tab === 'tree' && html`<${Tree} id=${id} menus=${menus} days=${days} setDays=${setDays} />`}
    ${tab === 'simulator' && html`<div class="columns sim"><${Section} title="Simulator"><${Simulator} id=${id} menus=${menus} onMove=${setAt} /><//>
      <${Section} title="Where the caller is"><${Graph} root=${id} menus=${menus} current=${at} /><//></div>`}
    ${tab === 'edit' && html`<${Section} title="Editor"><${Editor} key=${menu.version} menu=${menu} menus=${menus} verb="Save" send=${save} /><//>`}
    ${tab === 'sessions' && html`<${Sessions} id=${id} />`}
  <//>`;
}

const Lint = ({ findings, menus }) => findings?.map((finding, i) => html`<div key=${i} class="box ${finding.severity === 'error' ? 'bad' : 'warn'}">
  <p><strong>${words(finding.code)}</strong> <code>${finding.path.replace(/ivrm_\w+/, (id) => menus.get(id)?.name ?? id)}</code></p><p>${finding.detail}</p></div>`);

// The menus that can be reached, each with the figures of the window.
function Tree({ id, menus, days, setDays }) {
  const reached = reachable(id, menus);
  const from = new Date(Math.floor(Date.now() / 3600000) * 3600000 - Number(days) * 86400000).toISOString();
  const figures = useLoad(async (signal) => {
    const first = await optional(get(`/analytics/ivr/${id}`, { from }, signal));
    if (!first) return null;
    const others = await Promise.all(reached.filter((other) => other !== id).map(async (other) => [other, await optional(get(`/analytics/ivr/${other}`, { from }, signal))]));
    return new Map([[id, first], ...others]);
  }, [id, days, reached]);
  const own = figures.data?.get(id);
  return html`<${Section} title="Tree" actions=${html`<${Choice} label="Figures of the last" value=${days} onInput=${setDays} options=${[['1', 'day'], ['7', 'week'], ['30', '30 days']]} />`}>
    ${own && html`<p class="hint">${count(own.entries)} entries, ${count(own.invalid)} wrong keys, ${count(own.timeouts)} silences, ${count(own.abandoned)} hung up here.</p>`}
    ${figures.data === null && html`<${NotAvailable} what="What callers chose" />`}
    <${Graph} root=${id} menus=${menus} figures=${figures.data ?? undefined} />
  <//>`;
}

function reachable(root, menus) {
  const seen = [];
  const visit = (id) => {
    if (seen.includes(id) || !menus.has(id)) return;
    seen.push(id);
    for (const item of menus.get(id).items) if (item.action === 'submenu') visit(item.target);
  };
  visit(root);
  return seen;
}

function Sessions({ id }) {
  const list = useList((cursor, signal) => page('/ivr/sessions', { menu_id: id, cursor }, signal), [id], { every: 10000 });
  const columns = [
    { name: 'at', label: 'Began', cell: (session) => html`<a class="plain" href=${link('ivr', 'sessions', session.id)}>${moment(session.start_time)}</a>` },
    { name: 'status', label: 'Status', cell: (session) => html`<${Badge} is=${session.status} />` },
    { name: 'turns', label: 'Turns', num: true, cell: (session) => session.turn_count },
    { name: 'outcome', label: 'Outcome', wide: true, cell: (session) => words(session.outcome?.action ?? session.end_cause ?? '') },
    { name: 'call', label: 'Call', cell: (session) => html`<${Id} id=${session.call_id} href=${session.call_id && link('calls', session.call_id)} />` },
  ];
  return html`<${Section} title="Sessions"><${Shown} of=${list}>${() => html`<${Table} label="Sessions" columns=${columns} rows=${list.items} more=${list.more}
    href=${(session) => link('ivr', 'sessions', session.id)} empty="Nobody has been here lately." />`}<//><//>`;
}
