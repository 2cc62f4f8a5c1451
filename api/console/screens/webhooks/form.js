// An endpoint to be added or changed.
import { html, useState } from '../../lib/html.js';
import { Choice, Failure, Text, useForm } from '../../ui/form.js';

export function EndpointForm({ endpoint, send, verb }) {
  const [url, setUrl] = useState(endpoint?.url ?? '');
  const [events, setEvents] = useState((endpoint?.events ?? ['call.*']).join(' '));
  const [description, setDescription] = useState(endpoint?.description ?? '');
  const [ordering, setOrdering] = useState(endpoint?.ordering ?? 'parallel');
  const form = useForm(() => send({
    url, events: events.split(/[\s,]+/).filter(Boolean), ordering, description: description || (endpoint ? null : undefined),
  }));
  return html`<form class="form" onSubmit=${form.submit}>
    <${Text} wide label="URL" type="url" value=${url} onInput=${setUrl} error=${form.errors.url} placeholder="https://example.com/hooks" required />
    <${Text} wide label="Events" value=${events} onInput=${setEvents} error=${form.errors.events} hint="Names or families with spaces between: call.* ivr.completed" required />
    <${Text} label="Description" value=${description} onInput=${setDescription} error=${form.errors.description} />
    <${Choice} label="Order" value=${ordering} onInput=${setOrdering} options=${[['parallel', 'any order, fastest'], ['per_subject', 'in order for each call']]} />
    <${Failure} form=${form} />
    <div class="actions wide"><button class="primary" disabled=${form.busy}>${verb}</button></div>
  </form>`;
}
