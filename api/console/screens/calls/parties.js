// Who talks with whom. Viewers see numbers masked.
import { html } from '../../lib/html.js';
import { me } from '../../lib/session.js';
import { party } from '../../lib/format.js';

const masked = () => me.get()?.role === 'viewer';

export const Party = ({ of }) => html`<span class="party">${party(of, masked())}</span>`;

export const Parties = ({ call }) => html`<span class="parties">
  <span class="dir" title=${call.direction}>${call.direction === 'inbound' ? '↘' : '↗'}</span>
  <${Party} of=${call.from} /><span class="dim"> → </span><${Party} of=${call.to} /></span>`;
