// Names and how many of each.
import { html } from '../lib/html.js';
import { count } from '../lib/format.js';
import { Empty } from './parts.js';

export function Bars({ rows, empty = 'Nothing yet.' }) {
  const most = Math.max(1, ...rows.map((row) => row.value));
  if (!rows.length) return html`<${Empty}>${empty}<//>`;
  return html`<div class="bars">${rows.map((row) => html`<div key=${row.label}>
    <span class="name" title=${row.label}>${row.label}</span>
    <div class="track"><div class="fill ${row.css ?? ''}" style=${{ width: `${(100 * row.value) / most}%` }}></div></div>
    <span class="num">${count(row.value)}</span></div>`)}</div>`;
}
