// The raw events, each as stored, and how to ask for them.
import { html, useState } from '../../lib/html.js';
import { asCurl } from '../../lib/api.js';
import { fine } from '../../lib/format.js';
import { link } from '../../lib/router.js';
import { Copy, Empty, Json, Section } from '../../ui/parts.js';
import { Text } from '../../ui/form.js';

export function RawEvents({ call, events }) {
  const [filter, setFilter] = useState('');
  const path = `/calls/${call.id}/events`;
  const shown = events.filter((event) => event.type.includes(filter.trim()));
  return html`<${Section} title="Raw events" actions=${html`<${Copy} text=${asCurl(path, { limit: 200 })} label="Copy as curl" what="command copied" />`}>
    <div class="filters"><${Text} label="Type contains" data-search value=${filter} onInput=${setFilter} placeholder="call.command" /></div>
    ${!shown.length && html`<${Empty}>No event fits.<//>`}
    <div class="raw">${shown.map((event) => html`<${RawEvent} key=${event.version} event=${event}
      curl=${asCurl(path, { limit: 1, ...(event.version > 1 && { cursor: after(event.version - 1) }) })} />`)}</div>
  <//>`;
}

// a cursor is the base64 of where to go on
const after = (version) => btoa(String(version)).replaceAll('=', '').replaceAll('+', '-').replaceAll('/', '_');

export function RawEvent({ event, curl }) {
  const [open, setOpen] = useState(false);
  return html`<details open=${open} onToggle=${(toggled) => setOpen(toggled.target.open)}>
    <summary><span class="num dim">${event.version}</span> <code>${event.type}</code> <span class="dim">${fine(event.recorded_at)}</span></summary>
    ${open && html`<div class="stack">
      <${Json} value=${event} label=${event.type} />
      <div class="actions">
        ${curl && html`<${Copy} text=${curl} label="Copy as curl" what="command copied" />`}
        <a class="button small" href=${link('audit', 'explorer', { position: event.position })}>In the event explorer</a>
      </div></div>`}
  </details>`;
}
