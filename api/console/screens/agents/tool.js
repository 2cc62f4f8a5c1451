// A tool to be made or changed: what a model may ask of a system of yours.
import { html, useState } from '../../lib/html.js';
import { patch, post, remove } from '../../lib/api.js';
import { may } from '../../lib/session.js';
import { Act, Secret } from '../../ui/parts.js';
import { Dialog } from '../../ui/dialog.js';
import { Area, Choice, Failure, Text, useForm } from '../../ui/form.js';
import { say } from '../../ui/toast.js';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
const SCHEMA = { type: 'object', properties: {} };

function schemaOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw Object.assign(new Error('what it takes is no JSON'), { errors: [{ field: 'parameters', detail: 'is no JSON' }] });
  }
}

export function ToolDialog({ tool, onClose, saved }) {
  const [text, setText] = useState({
    name: tool?.name ?? '', description: tool?.description ?? '', url: tool?.url ?? '', method: tool?.method ?? 'POST',
    timeout_ms: tool?.timeout_ms ?? '', parameters: JSON.stringify(tool?.parameters ?? SCHEMA, null, 1),
  });
  const set = (name) => (value) => setText({ ...text, [name]: value });
  const writes = may('tools:write');
  const [secret, setSecret] = useState(null);
  const done = (words) => {
    say(words);
    onClose();
    saved();
  };
  const form = useForm(async () => {
    const { timeout_ms: patience, ...rest } = text;
    const body = { ...rest, parameters: schemaOf(text.parameters), ...(patience !== '' && { timeout_ms: Number(patience) }) };
    if (tool) {
      await patch(`/tools/${tool.id}`, body, tool.version);
      return done('Saved');
    }
    setSecret((await post('/tools', body)).secret);
    say('The tool is made');
    saved();
  });
  const rotate = async () => {
    setSecret((await post(`/tools/${tool.id}/rotate-secret`, {})).secret);
    saved();
  };
  if (secret) {
    return html`<${Dialog} title=${tool ? 'The new secret' : 'The tool is made'} onClose=${onClose}>
      <${Secret} secret=${secret} /><p class="hint">What the tool is asked is signed with it (Standard Webhooks)${tool && ', for a day by the old one, too'}.</p><//>`;
  }
  return html`<${Dialog} wide title=${tool ? 'Tool' : 'New tool'} onClose=${onClose}>
    <form class="form" onSubmit=${form.submit}>
      <${Text} label="Name" value=${text.name} onInput=${set('name')} error=${form.errors.name} hint="What the model calls it" required disabled=${!writes} />
      <${Choice} label="Method" value=${text.method} onInput=${set('method')} options=${METHODS.map((name) => [name, name])} error=${form.errors.method} />
      <${Text} wide label="URL" type="url" value=${text.url} onInput=${set('url')} error=${form.errors.url} placeholder="https://example.com/bookings" required disabled=${!writes} />
      <${Area} label="Description" value=${text.description} onInput=${set('description')} error=${form.errors.description} hint="What the model is told of it" required />
      <${Area} label="What it takes (JSON Schema)" rows="6" value=${text.parameters} onInput=${set('parameters')} error=${form.errors.parameters} spellcheck="false" />
      <${Text} label="May take, ms" type="number" min="100" max="30000" value=${text.timeout_ms} onInput=${set('timeout_ms')} error=${form.errors.timeout_ms} />
      <${Failure} form=${form} />
      ${writes && html`<div class="actions wide"><button class="primary" disabled=${form.busy}>${tool ? 'Save' : 'Make the tool'}</button>
        ${tool && html`<${Act} confirm="Really?" act=${rotate}>${tool.signed ? 'Rotate the secret' : 'Sign its requests'}<//>
        <${Act} tone="bad" confirm="Really delete?" act=${async () => { await remove(`/tools/${tool.id}`, tool.version); done('Deleted'); }}>Delete<//>`}</div>`}
    </form>
  <//>`;
}
