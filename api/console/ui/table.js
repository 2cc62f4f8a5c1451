// Tables for the keyboard: ↑ ↓ Home End move, Enter opens.
import { html, useRef } from '../lib/html.js';
import { Empty } from './parts.js';

// columns: [{name, label, cell(row), wide (left out on phones), num}]; `href(row)` is where Enter and a click lead.
export function Table({ columns, rows, rowKey = (row) => row.id, href, label, empty = 'Nothing here yet.', more, rowClass }) {
  const body = useRef(null);
  const open = (row) => {
    if (href?.(row)) location.hash = href(row);
  };
  const key = (event, row) => {
    if (event.target !== event.currentTarget) return;
    const all = [...body.current.children];
    const at = all.indexOf(event.currentTarget);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to !== undefined && all[to]) {
      event.preventDefault();
      all[to].focus();
    } else if (event.key === 'Enter') open(row);
  };
  const click = (event, row) => {
    // links and buttons do what they say, and marking text opens nothing
    if (!event.target.closest('a, button, input') && !getSelection().toString()) open(row);
  };
  if (!rows.length) return html`<${Empty}>${empty}<//>`;
  return html`<div class="table" role="region" aria-label=${label} tabindex="0"><table>
    <thead><tr>${columns.map((column) => html`<th key=${column.name} scope="col" class=${cssOf(column)}>${column.label}</th>`)}</tr></thead>
    <tbody ref=${body}>${rows.map((row) => html`<tr key=${rowKey(row)} tabindex="0" class="${href ? 'opens' : ''} ${rowClass?.(row) ?? ''}"
        onKeyDown=${(event) => key(event, row)} onClick=${(event) => click(event, row)}>
      ${columns.map((column) => html`<td key=${column.name} class=${cssOf(column)}>${column.cell(row)}</td>`)}</tr>`)}
    </tbody></table>
    ${more && html`<button type="button" class="more" onClick=${more}>Show more</button>`}
  </div>`;
}

const cssOf = (column) => `${column.wide ? 'wide' : ''} ${column.num ? 'num' : ''} ${column.css ?? ''}`;
