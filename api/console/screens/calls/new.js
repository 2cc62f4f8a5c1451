// Place a call.
import { html, useState } from '../../lib/html.js';
import { post } from '../../lib/api.js';
import { go } from '../../lib/router.js';
import { useNames } from '../../lib/names.js';
import { Choice, Failure, Text, useForm } from '../../ui/form.js';
import { Dialog } from '../../ui/dialog.js';

export function NewCall({ onClose }) {
  const [call, setCall] = useState({ to: '', from: '', ivr_menu_id: '', agent_id: '' });
  const menus = useNames('menus');
  const agents = useNames('agents');
  const set = (field) => (value) => setCall({ ...call, [field]: value });
  const form = useForm(async () => {
    const given = Object.fromEntries(Object.entries(call).filter(([, value]) => value));
    const placed = await post('/calls', given);
    onClose();
    go('calls', placed.id);
  });
  const named = (known) => [['', '–'], ...[...known.values()].map((item) => [item.id, item.name])];
  return html`<${Dialog} title="Place a call" onClose=${onClose}>
    <form class="form" onSubmit=${form.submit}>
      <${Text} label="To" value=${call.to} onInput=${set('to')} error=${form.errors.to} placeholder="+15550100123" required />
      <${Text} label="From" value=${call.from} onInput=${set('from')} error=${form.errors.from} hint="The node's own number, if left out" />
      <${Choice} label="Menu" value=${call.ivr_menu_id} onInput=${set('ivr_menu_id')} options=${named(menus)} error=${form.errors.ivr_menu_id} />
      ${agents.size > 0 && html`<${Choice} label="Agent" value=${call.agent_id} onInput=${set('agent_id')} options=${named(agents)} error=${form.errors.agent_id} />`}
      <${Failure} form=${form} />
      <div class="actions wide"><button class="primary" disabled=${form.busy}>Call</button></div>
    </form>
  <//>`;
}
