// Send a window of the past again.
import { html, useState } from '../../lib/html.js';
import { post } from '../../lib/api.js';
import { Choice, Failure, Text, useForm } from '../../ui/form.js';
import { Dialog } from '../../ui/dialog.js';
import { say } from '../../ui/toast.js';

// what a datetime-local field wants: local time without a zone
const local = (date) => new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);

export function Replay({ id, onClose }) {
  const [since, setSince] = useState(local(new Date(Date.now() - 3600000)));
  const [until, setUntil] = useState('');
  const [which, setWhich] = useState('failed');
  const form = useForm(async () => {
    const body = { since: new Date(since).toISOString(), only_failed: which === 'failed', ...(until && { until: new Date(until).toISOString() }) };
    const { queued } = await post(`/webhooks/${id}/replay`, body);
    say(`${queued} deliveries are sent again`);
    onClose();
  });
  return html`<${Dialog} title="Replay" onClose=${onClose}>
    <form class="form" onSubmit=${form.submit}>
      <${Text} label="Since" type="datetime-local" value=${since} onInput=${setSince} error=${form.errors.since} required />
      <${Text} label="Until" type="datetime-local" value=${until} onInput=${setUntil} error=${form.errors.until} hint="Now, if left out" />
      <${Choice} label="Which" value=${which} onInput=${setWhich} options=${[['failed', 'only what failed'], ['all', 'everything']]} />
      <${Failure} form=${form} />
      <div class="actions wide"><button class="primary" disabled=${form.busy}>Replay</button></div>
    </form>
  <//>`;
}
