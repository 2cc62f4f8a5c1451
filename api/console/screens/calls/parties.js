// Who talks with whom.
import { html } from '../../lib/html.js';
import { party } from '../../lib/format.js';

export const Party = ({ of }) => html`<span class="party">${party(of)}</span>`;

export const Parties = ({ call }) => html`<span class="parties">
  <span class="dir" title=${call.direction}>${call.direction === 'inbound' ? '↘' : '↗'}</span>
  <${Party} of=${call.from} /><span class="dim"> → </span><${Party} of=${call.to} /></span>`;
