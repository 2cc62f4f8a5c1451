// The call as it was: a slider through its versions.
import { html } from '../../lib/html.js';
import { asCurl, get } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';
import { setQuery } from '../../lib/router.js';
import { fine, moment } from '../../lib/format.js';
import { Copy, Section, Shown } from '../../ui/parts.js';

export function Travel({ call, events, at }) {
  const newest = Math.max(call.version, 1);
  const version = Math.min(Math.max(Number(at) || newest, 1), newest);
  const then = useLoad((signal) => get(`/calls/${call.id}`, { version }, signal), [call.id, version]);
  const before = useLoad((signal) => (version > 1 ? get(`/calls/${call.id}`, { version: version - 1 }, signal) : Promise.resolve({})), [call.id, version]);
  const event = events.find((one) => one.version === version);
  const move = (to) => setQuery({ tab: 'travel', version: Math.min(Math.max(to, 1), newest) });
  return html`<${Section} title="Time travel" actions=${html`<${Copy} text=${asCurl(`/calls/${call.id}`, { version })} label="Copy as curl" what="command copied" />`}>
    <div class="slider">
      <button type="button" aria-label="One version back" onClick=${() => move(version - 1)} disabled=${version <= 1}>‹</button>
      <input type="range" min="1" max=${newest} value=${version} aria-label="Version" aria-valuetext="version ${version} of ${newest}, ${event?.type ?? ''}"
        onInput=${(change) => move(Number(change.target.value))} />
      <button type="button" aria-label="One version on" onClick=${() => move(version + 1)} disabled=${version >= newest}>›</button>
    </div>
    <p>Version <strong>${version}</strong> of ${newest}: <code>${event?.type}</code> <span class="dim">${event && `${moment(event.recorded_at)} (${fine(event.recorded_at)})`}</span></p>
    <${Shown} of=${then}>${(was) => html`<dl class="was">${Object.keys(was).map((field) => {
      const [now, old] = [show(was[field]), show(before.data?.[field])];
      const changed = before.data && version > 1 && now !== old;
      return html`<div key=${field} class=${changed ? 'changed' : ''}><dt>${field}</dt><dd>${changed && old !== 'null' && html`<del>${old}</del> `}${now}</dd></div>`;
    })}</dl>`}<//>
  <//>`;
}

const show = (value) => (value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value));
