// The call as it was: a slider through its versions.
import { html } from '../../lib/html.js';
import { asCurl, get } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';
import { setQuery } from '../../lib/router.js';
import { fine, moment } from '../../lib/format.js';
import { Copy, Loading, Section, Shown } from '../../ui/parts.js';

const ofCall = (event) => event.type !== 'call.carrier_event_received';

export function Travel({ call, events, at }) {
  // the history comes a moment after the call, and a carrier's webhook may stand in it before the call itself
  return events.some(ofCall) ? html`<${Slider} call=${call} events=${events} at=${at} />` : html`<${Loading} />`;
}

function Slider({ call, events, at }) {
  const newest = Math.max(call.version, 1);
  const oldest = events.find(ofCall).version;
  const version = Math.min(Math.max(Number(at) || newest, oldest), newest);
  const then = useLoad((signal) => get(`/calls/${call.id}`, { version }, signal), [call.id, version]);
  const before = useLoad((signal) => (version > oldest ? get(`/calls/${call.id}`, { version: version - 1 }, signal) : Promise.resolve({})), [call.id, version, oldest]);
  const event = events.find((one) => one.version === version);
  const move = (to) => setQuery({ tab: 'travel', version: Math.min(Math.max(to, oldest), newest) });
  return html`<${Section} title="Time travel" actions=${html`<${Copy} text=${asCurl(`/calls/${call.id}`, { version })} label="Copy as curl" what="command copied" />`}>
    <div class="slider">
      <button type="button" aria-label="One version back" onClick=${() => move(version - 1)} disabled=${version <= oldest}>‹</button>
      <input type="range" min=${oldest} max=${newest} value=${version} aria-label="Version" aria-valuetext="version ${version} of ${newest}, ${event?.type ?? ''}"
        onInput=${(change) => move(Number(change.target.value))} />
      <button type="button" aria-label="One version on" onClick=${() => move(version + 1)} disabled=${version >= newest}>›</button>
    </div>
    <p>Version <strong>${version}</strong> of ${newest}: <code>${event?.type}</code> <span class="dim">${event && `${moment(event.recorded_at)} (${fine(event.recorded_at)})`}</span></p>
    <${Shown} of=${then}>${(was) => html`<dl class="was">${Object.keys(was).map((field) => {
      const [now, old] = [show(was[field]), show(before.data?.[field])];
      const changed = before.data && version > oldest && now !== old;
      return html`<div key=${field} class=${changed ? 'changed' : ''}><dt>${field}</dt><dd>${changed && old !== 'null' && html`<del>${old}</del> `}${now}</dd></div>`;
    })}</dl>`}<//>
  <//>`;
}

const show = (value) => (value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value));
