// Agents, their versions, and the tools they may use.
import { html, useState } from '../lib/html.js';
import { all, get, optional, page, post } from '../lib/api.js';
import { useList, useLoad } from '../lib/load.js';
import { link, setQuery } from '../lib/router.js';
import { useNames } from '../lib/names.js';
import { may } from '../lib/session.js';
import { moment, words } from '../lib/format.js';
import { Act, Badge, Facts, Id, Json, Page, Section, Shown } from '../ui/parts.js';
import { Choice } from '../ui/form.js';
import { Table } from '../ui/table.js';
import { AgentForm } from './agents/form.js';
import { ToolDialog } from './agents/tool.js';

export function Agents({ path, query }) {
  if (path[0] === 'new') return html`<${Page} title="New agent"><${Section}><${AgentForm} /><//><//>`;
  return path[0] ? html`<${Agent} key=${path[0]} id=${path[0]} query=${query} />` : html`<${Both} />`;
}

function Both() {
  const agents = useList((cursor, signal) => page('/agents', { cursor }, signal), []);
  const tools = useList((cursor, signal) => page('/tools', { cursor }, signal), []);
  const [tool, setTool] = useState(null);
  return html`<${Page} title="Agents and tools" actions=${may('agents:write') && !agents.error && html`<a class="button" href=${link('agents', 'new')}>New agent</a>`}>
    <${Section} title="Agents"><${Shown} of=${agents}>${() => html`<${Table} label="Agents" rows=${agents.items} more=${agents.more} href=${(agent) => link('agents', agent.id)} empty="There is no agent yet." columns=${[
      { name: 'name', label: 'Name', cell: (agent) => html`<a href=${link('agents', agent.id)}>${agent.name}</a>` },
      { name: 'model', label: 'Model', cell: (agent) => `${words(agent.provider)} ${agent.model}` },
      { name: 'status', label: 'Status', cell: (agent) => html`<${Badge} is=${agent.status === 'deployed' ? 'active' : agent.status} text=${words(agent.status ?? '')} />` },
      { name: 'tools', label: 'Tools', num: true, wide: true, cell: (agent) => agent.tools.length },
      { name: 'at', label: 'Changed', wide: true, cell: (agent) => moment(agent.updated_at) },
    ]} />`}<//><//>
    <${Section} title="Tools" actions=${may('tools:write') && html`<button type="button" onClick=${() => setTool({})}>New tool</button>`}><${Shown} of=${tools}>${() => html`<${Table} label="Tools" rows=${tools.items} more=${tools.more} empty="There is no tool yet." columns=${[
      { name: 'name', label: 'Name', cell: (one) => html`<button type="button" class="tell" onClick=${() => setTool(one)}><code>${one.name}</code></button>` },
      { name: 'what', label: 'Does', wide: true, css: 'line', cell: (one) => one.description },
      { name: 'url', label: 'Asks', css: 'break', cell: (one) => html`<code>${one.method} ${one.url}</code>` },
      { name: 'id', label: 'Id', wide: true, cell: (one) => html`<${Id} id=${one.id} />` },
    ]} />`}<//><//>
    ${tool && html`<${ToolDialog} tool=${tool.id ? tool : undefined} onClose=${() => setTool(null)} saved=${tools.reload} />`}
  <//>`;
}

function Agent({ id, query }) {
  const latest = useLoad((signal) => get(`/agents/${id}`, {}, signal), [id]);
  const version = query.version && Number(query.version);
  const shown = useLoad((signal) => get(`/agents/${id}`, { version }, signal), [id, version, latest.data?.version]);
  const names = useNames('tools', shown.data?.tools);
  const history = useLoad((signal) => all(`/agents/${id}/events`, {}, signal, 400), [id, latest.data?.version]);
  return html`<${Shown} of=${shown}>${(agent) => html`<${Page} title=${agent.name} sub=${html`<${Id} id=${id} whole />`}
      actions=${may('agents:write') && html`<${Act} tone="primary" act=${() => post(`/agents/${id}/deploy`, {}).then(latest.reload)} done="Deployed">Deploy<//>`}>
    <${Section}><${Facts} rows=${[
      ['Status', html`<${Badge} is=${agent.status === 'deployed' ? 'active' : agent.status} text=${words(agent.status ?? '')} />`],
      ['Deployed version', agent.deployed_version === null ? 'none' : String(agent.deployed_version)],
      ['Model', `${words(agent.provider)} ${agent.model}`],
      ['Temperature', agent.temperature === null ? '–' : String(agent.temperature)],
      ['Most tokens', agent.max_tokens === null ? '–' : String(agent.max_tokens)],
      ['Falls back to', agent.fallback.map((one) => `${one.provider} ${one.model}`).join(', ') || 'nothing'],
      ['Talks on calls', agent.runtime === 'carrier' ? 'this node' : words(agent.runtime)],
      ['Greeting', agent.greeting],
      ['Tools', agent.tools.map((tool) => names.get(tool)?.name ?? tool).join(', ') || 'none'],
    ]} />
      ${latest.data && html`<div class="filters"><${Choice} label="Version" value=${String(agent.version)} onInput=${(to) => setQuery({ version: Number(to) === latest.data.version ? undefined : to })}
        options=${(history.data ?? []).map((event) => [String(event.version), `${event.version}: ${event.type.split('.')[1]?.replaceAll('_', ' ')}`])} /></div>`}
    <//>
    ${agent.runtime === 'ultravox' && html`<${HostedCopy} key=${agent.deployed_version} id=${id} />`}
    <div class="columns">
      <${Section} title="System prompt"><pre tabindex="0">${agent.system_prompt}</pre><//>
      ${may('agents:write') && !version && html`<${Section} title="Change it"><${AgentForm} key=${agent.version} agent=${agent} saved=${latest.reload} /><//>`}
      <${Section} title="As the API shows it"><${Json} value=${agent} label="Agent" /><//>
    </div>
  <//>`}<//>`;
}

// The copy of an agent at its voice runtime, and what was edited there.
function HostedCopy({ id }) {
  const copy = useLoad((signal) => optional(get(`/agents/${id}/sync`, {}, signal)), [id]);
  if (!copy.data) return null;
  const { status, remote_id: remote, agent_version: version, at, error, differences, left } = copy.data;
  const sync = (body) => post(`/agents/${id}/sync`, body).then(copy.reload);
  return html`<${Section} title="Copy at the voice runtime" actions=${may('agents:write') && html`
      <${Act} act=${() => sync({ compare_only: true })} done="It is being compared">Compare<//>
      <${Act} confirm="Overwrite what was edited there?" act=${() => sync({})} done="It is being written">Write anew<//>`}>
    <${Facts} rows=${[
      ['Status', html`<${Badge} is=${status === 'synced' ? 'active' : status} text=${words(status)} />`],
      ['Id there', remote ?? 'none yet'],
      ['Version', version === null ? 'none yet' : String(version)],
      ['Last known', at ? moment(at) : 'never'],
      ...(error ? [['Failure', words(error)]] : []),
      ...(left > 0 ? [['Left in earlier accounts', String(left)]] : []),
      ...differences.map(({ field, ours, theirs }) => [field, `${theirs ?? 'missing'} instead of ${ours}`]),
    ]} />
  <//>`;
}
