// The raw history, and what led to what: an event's cause, and all that followed from it.
import { html } from '../../lib/html.js';
import { asCurl, page } from '../../lib/api.js';
import { useList, useLoad } from '../../lib/load.js';
import { link, setQuery } from '../../lib/router.js';
import { placeOf, uuidOf } from '../../lib/type_id.js';
import { fine, moment } from '../../lib/format.js';
import { Copy, Fault, Id, Json, Section, Shown } from '../../ui/parts.js';
import { Choice, Search } from '../../ui/form.js';
import { Table } from '../../ui/table.js';

const WINDOWS = [['1', 'last hour'], ['24', 'last day'], ['168', 'last week'], ['all', 'everything']];

export function Explorer({ query }) {
  if (query.position) return html`<${One} key=${query.position} position=${Number(query.position)} />`;
  const hours = query.hours ?? (query.correlation_id || query.stream ? 'all' : '1');
  // rounded, so that the same window is not asked for again with each redraw
  const from = hours === 'all' ? undefined : new Date(Math.floor(Date.now() / 60000) * 60000 - hours * 3600000).toISOString();
  const filter = { type: query.type, stream: query.stream, correlation_id: query.correlation_id, from };
  const list = useList((cursor, signal) => page('/audit/events', { ...filter, cursor, limit: 100 }, signal), [filter]);
  const set = (name) => (value) => setQuery({ [name]: value });
  return html`<${Section} actions=${html`<${Copy} text=${asCurl('/audit/events', filter)} label="Copy as curl" what="command copied" />`} title="Events">
    <div class="filters">
      <${Search} label="Type" data-search value=${query.type ?? ''} onCommit=${set('type')} placeholder="call.answered  ( / )" />
      <${Search} label="Resource" value=${query.stream ?? ''} onCommit=${set('stream')} placeholder="call_…" />
      <${Search} label="Correlation" value=${query.correlation_id ?? ''} onCommit=${set('correlation_id')} placeholder="UUID" />
      <${Choice} label="When" value=${hours} onInput=${(value) => setQuery({ hours: value })} options=${WINDOWS} />
    </div>
    <${Shown} of=${list}>${() => html`<${EventTable} events=${list.items} more=${list.more} />`}<//>
  <//>`;
}

const resource = (event) => {
  const place = placeOf(event.stream);
  return place ? html`<a href=${link(...place)}>${event.stream.split('-')[0]}</a>` : event.stream.split('-')[0];
};

const EventTable = ({ events, more }) => html`<${Table} label="Events" rows=${events} more=${more} rowKey=${(event) => event.position}
  href=${(event) => link('audit', 'explorer', { position: event.position })} empty="No event fits." columns=${[
    { name: 'position', label: 'Position', num: true, cell: (event) => html`<a class="plain" href=${link('audit', 'explorer', { position: event.position })}>${event.position}</a>` },
    { name: 'at', label: 'Recorded', cell: (event) => html`<span title=${event.recorded_at}>${moment(event.recorded_at)}</span>` },
    { name: 'type', label: 'Type', cell: (event) => html`<code>${event.type}</code>` },
    { name: 'of', label: 'Of', wide: true, cell: (event) => html`${resource(event)} <span class="dim">${event.version}</span>` },
    { name: 'by', label: 'By', wide: true, cell: (event) => html`${event.metadata.actor?.kind} <span class="dim">${event.metadata.actor?.id}</span>` },
  ]} />`;

// One event between its cause and its effects.
function One({ position }) {
  const found = useLoad(async (signal) => {
    const { data: [event] } = await page('/audit/events', { after: position - 1, limit: 1 }, signal);
    if (!event || event.position !== position) return { event: null, family: [] };
    const correlation = event.metadata.correlation_id;
    // what belongs together was recorded close together: look from a little before
    const { data } = correlation ? await page('/audit/events', { correlation_id: correlation, limit: 200 }, signal) : { data: [event] };
    return { event, family: data };
  }, [position]);
  return html`<${Shown} of=${found}>${({ event, family }) => (event ? html`<${Kin} event=${event} family=${family} />` : html`<p class="hint">There is no such event of yours.</p>`)}<//>`;
}

function Kin({ event, family }) {
  const own = uuidOf(event.id);
  const causes = causesOf(event, family);
  const effects = family.filter((other) => other.metadata.causation_id === own);
  const siblings = event.metadata.causation_id ? family.filter((other) => other.metadata.causation_id === event.metadata.causation_id && other.id !== event.id) : [];
  return html`<div class="columns main-side">
    <${Section} title="Event ${event.position}" actions=${html`<a class="button small" href=${link('audit', 'explorer')}>All events</a><${Copy} text=${asCurl('/audit/events', { after: event.position - 1, limit: 1 })} label="Copy as curl" what="command copied" />`}>
      <p><code>${event.type}</code> <span class="dim">${moment(event.recorded_at)} (${fine(event.recorded_at)})</span> <${Id} id=${event.id} /></p>
      <${Json} value=${event} label=${event.type} />
    <//>
    <div class="stack">
      <${Section} title="What led to it"><${Chain} events=${[...causes, event]} here=${event} /><//>
      <${Section} title="What followed from it">${effects.length ? html`<${Chain} events=${effects} />` : html`<p class="hint">Nothing that is yours.</p>`}<//>
      ${siblings.length > 0 && html`<${Section} title="Recorded for the same reason"><${Chain} events=${siblings} /><//>`}
      ${event.metadata.correlation_id && html`<a class="button" href=${link('audit', 'explorer', { correlation_id: event.metadata.correlation_id })}>All ${family.length >= 200 ? '200 and more' : family.length} of this correlation</a>`}
    </div>
  </div>`;
}

function causesOf(event, family) {
  const byId = new Map(family.map((other) => [uuidOf(other.id), other]));
  const chain = [];
  for (let at = byId.get(event.metadata.causation_id); at && !chain.includes(at); at = byId.get(at.metadata.causation_id)) chain.unshift(at);
  return chain;
}

const Chain = ({ events, here }) => html`<div class="chain">${events.map((event) => html`<a key=${event.position} class=${event === here ? 'here' : ''}
  href=${link('audit', 'explorer', { position: event.position })}><code>${event.type}</code> <span class="dim">${event.position}</span></a>`)}</div>`;
