// An agent to be made or changed.
import { html, useState } from '../../lib/html.js';
import { get, optional, patch, post } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';
import { useNames } from '../../lib/names.js';
import { go } from '../../lib/router.js';
import { words } from '../../lib/format.js';
import { Area, Choice, Failure, Text, useForm } from '../../ui/form.js';
import { say } from '../../ui/toast.js';

const RUNTIMES = [['carrier', 'This node'], ['ultravox', 'Ultravox']];
const PROVIDERS = ['groq', 'openai', 'anthropic', 'google', 'openai_compatible'];

export function AgentForm({ agent, saved }) {
  const [text, setText] = useState({
    name: agent?.name ?? '', system_prompt: agent?.system_prompt ?? '', provider: agent?.provider ?? 'groq', model: agent?.model ?? '',
    temperature: agent?.temperature ?? '', max_tokens: agent?.max_tokens ?? '', greeting: agent?.greeting ?? '',
    runtime: agent?.runtime ?? 'carrier',
  });
  const [tools, setTools] = useState(new Set(agent?.tools ?? []));
  const offered = useNames('tools');
  const set = (name) => (value) => setText({ ...text, [name]: value });
  const toggle = (id) => {
    const next = new Set(tools);
    if (!next.delete(id)) next.add(id);
    setTools(next);
  };
  const form = useForm(async () => {
    const body = { name: text.name, system_prompt: text.system_prompt, provider: text.provider, tools: [...tools] };
    if (text.runtime !== (agent?.runtime ?? 'carrier')) body.runtime = text.runtime;
    if (text.model) body.model = text.model;
    // what was there and is emptied goes back to the provider's own
    if (text.greeting || agent) body.greeting = text.greeting || null;
    for (const name of ['temperature', 'max_tokens']) if (text[name] !== '' || agent) body[name] = text[name] === '' ? null : Number(text[name]);
    if (!agent) return go('agents', (await post('/agents', body)).id);
    await patch(`/agents/${agent.id}`, body, agent.version);
    say('Saved');
    return saved();
  });
  const known = useLoad((signal) => optional(get('/llm/providers', {}, signal)), []);
  const unset = new Set((known.data ?? []).filter((one) => !one.configured).map((one) => one.provider));
  const names = new Set([...(known.data?.map((one) => one.provider) ?? PROVIDERS), text.provider]);
  const providers = [...names].map((name) => [name, unset.has(name) ? `${words(name)} (no credentials)` : words(name)]);
  return html`<form class="form" onSubmit=${form.submit}>
    <${Text} label="Name" value=${text.name} onInput=${set('name')} error=${form.errors.name} required />
    <${Choice} label="Provider" value=${text.provider} onInput=${set('provider')} options=${providers} error=${form.errors.provider} />
    <${Text} label="Model" value=${text.model} onInput=${set('model')} error=${form.errors.model} />
    <${Choice} label="Talks on calls" value=${text.runtime} onInput=${set('runtime')} options=${RUNTIMES} error=${form.errors.runtime} />
    <${Text} label="Temperature" type="number" min="0" max="2" step="0.05" value=${text.temperature} onInput=${set('temperature')} error=${form.errors.temperature} />
    <${Text} label="Most tokens" type="number" min="1" value=${text.max_tokens} onInput=${set('max_tokens')} error=${form.errors.max_tokens} />
    <${Area} label="System prompt" rows="8" value=${text.system_prompt} onInput=${set('system_prompt')} error=${form.errors.system_prompt} required />
    <${Area} label="Greeting" value=${text.greeting} onInput=${set('greeting')} error=${form.errors.greeting} />
    ${offered.size > 0 && html`<fieldset class="wide scopes"><legend>Tools it may use</legend><div class="checks">${[...offered.values()].map((tool) => html`<label key=${tool.id}>
      <input type="checkbox" checked=${tools.has(tool.id)} onChange=${() => toggle(tool.id)} /><code>${tool.name}</code></label>`)}</div></fieldset>`}
    <${Failure} form=${form} />
    <div class="actions wide"><button class="primary" disabled=${form.busy}>${agent ? 'Save' : 'Make the agent'}</button></div>
  </form>`;
}
