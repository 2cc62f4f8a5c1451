// What can be done to a call that is going on.
import { html, useState } from '../../lib/html.js';
import { post } from '../../lib/api.js';
import { may } from '../../lib/session.js';
import { Act } from '../../ui/parts.js';
import { Area, Failure, Text, useForm } from '../../ui/form.js';
import { Dialog } from '../../ui/dialog.js';
import { say } from '../../ui/toast.js';

export const LIVE = ['queued', 'dialing', 'ringing', 'in_progress', 'dial_unknown'];
export const isLive = (call) => LIVE.includes(call.status);

export function CallActions({ call, small }) {
  const [asked, setAsked] = useState(null);
  if (!isLive(call) || !may('calls:write')) return null;
  const size = small ? 'small' : '';
  const talking = call.status === 'in_progress';
  return html`<span class="actions">
    ${talking && html`<button type="button" class=${size} onClick=${() => setAsked('say')}>Say</button>
      <button type="button" class=${size} onClick=${() => setAsked('transfer')}>Transfer</button>
      ${!small && html`<button type="button" onClick=${() => setAsked('dtmf')}>Keys</button>`}`}
    <${Act} tone="${size} bad" confirm="Really?" act=${() => post(`/calls/${call.id}/hangup`)} done="The call is being ended">Hang up<//>
    ${asked && html`<${Ask} key=${asked} what=${asked} call=${call} onClose=${() => setAsked(null)} />`}
  </span>`;
}

const KINDS = {
  say: { title: 'Say on the call', label: 'Words', field: 'text', done: 'It is being said', input: Area },
  transfer: { title: 'Transfer the call', label: 'To', field: 'to', done: 'The call is being transferred', input: Text, placeholder: '+15550100123 or sip:…' },
  dtmf: { title: 'Send keys', label: 'Keys', field: 'digits', done: 'The keys are being sent', input: Text, placeholder: '0–9 A–D * #' },
};

function Ask({ what, call, onClose }) {
  const kind = KINDS[what];
  const [value, setValue] = useState('');
  const form = useForm(async () => {
    await post(`/calls/${call.id}/${what}`, { [kind.field]: value });
    say(kind.done);
    onClose();
  });
  return html`<${Dialog} title=${kind.title} onClose=${onClose}>
    <form class="form" onSubmit=${form.submit}>
      <${kind.input} wide label=${kind.label} value=${value} onInput=${setValue} error=${form.errors[kind.field]} placeholder=${kind.placeholder} required />
      <${Failure} form=${form} />
      <div class="actions wide"><button class="primary" disabled=${form.busy}>${kind.title.split(' ')[0]}</button></div>
    </form>
  <//>`;
}
