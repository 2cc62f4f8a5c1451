// The menus as a tree: a card each, a line from each key to the menu it opens, a bar for how many pressed it.
import { html, useEffect, useMemo, useRef } from '../../lib/html.js';
import { count, words } from '../../lib/format.js';
import { link } from '../../lib/router.js';
import { CARD, layout } from './layout.js';

function rowsOf(menu, figures) {
  const counts = figures?.get(menu.id);
  const rows = menu.items.map((item) => ({
    key: item.digit, label: item.label, action: item.action, leads: item.action === 'submenu' ? item.target : null, target: item.target,
    count: counts?.choices.find((choice) => choice.digit === item.digit)?.count ?? (counts ? 0 : undefined),
  }));
  if (counts) {
    const lost = [['wrong keys', counts.invalid], ['silences', counts.timeouts], ['hung up', counts.abandoned]];
    rows.push(...lost.filter(([, n]) => n > 0).map(([label, n]) => ({ key: '', label, action: '', lost: true, count: n })));
  }
  return rows;
}

export function Graph({ root, menus, figures, current }) {
  const made = useMemo(() => layout(root, menus, (menu) => rowsOf(menu, figures)), [root, menus, figures]);
  const at = new Map(made.nodes.map((node) => [node.id, node]));
  const most = Math.max(1, ...made.edges.map((edge) => edge.count ?? 0));
  const place = useRef(null);
  useEffect(() => {
    const node = made.nodes.find((one) => one.id === current);
    if (node) place.current.scrollTo({ left: node.x - 40, top: node.y - 40, behavior: 'smooth' });
  }, [current, made]);
  return html`<div class="graph" ref=${place} tabindex="0" role="region" aria-label="Tree of menus">
    <div class="canvas" style=${{ width: `${made.width}px`, height: `${made.height}px` }}>
      <svg width=${made.width} height=${made.height} aria-hidden="true">${made.edges.map((edge) => html`
        <path key="${edge.from}${edge.row}" d=${curve(at.get(edge.from), edge.row, at.get(edge.to))} class=${edge.count ? 'hot' : ''}
          stroke-width=${edge.count ? 1.5 + (4 * edge.count) / most : undefined} />`)}</svg>
      ${made.nodes.map((node) => html`<${Card} key=${node.id} node=${node} menu=${menus.get(node.id)} menus=${menus} entries=${figures?.get(node.id)?.entries} current=${node.id === current} />`)}
    </div>
  </div>`;
}

function curve(from, row, to) {
  const [x1, y1] = [from.x + CARD.width, from.y + CARD.head + (row + 0.5) * CARD.row];
  const [x2, y2] = [to.x, to.y + CARD.head / 2];
  const bend = (x2 - x1) / 2;
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}

const Card = ({ node, menu, menus, entries, current }) => html`
  <article class="menu-card ${current ? 'current' : ''}" style=${{ left: `${node.x}px`, top: `${node.y}px` }} aria-label="Menu ${menu.name}">
    <h3><a href=${link('ivr', node.id)}>${menu.name}</a>${entries !== undefined && entries !== null && html`<span class="n dim">${count(entries)}</span>`}</h3>
    <ul>${node.rows.map((row) => html`<li key=${row.key + row.label} class=${row.lost ? 'lost' : ''} title=${about(row)}>
      ${entries > 0 && row.count > 0 && html`<span class="bar" style=${{ width: `${Math.min(100, (100 * row.count) / entries)}%` }}></span>`}
      ${row.key && html`<kbd>${row.key}</kbd>`}<span class="label">${row.label}</span>
      <span class="act">${row.back ? `↩ ${menus.get(row.leads)?.name}` : row.leads ? '' : words(row.action)}</span>
      ${row.count !== undefined && html`<span class="n">${count(row.count)}</span>`}
    </li>`)}</ul>
  </article>`;

const about = (row) => (typeof row.target === 'string' && !row.leads ? `${words(row.action)}: ${row.target}` : `${row.label} ${words(row.action)}`);
