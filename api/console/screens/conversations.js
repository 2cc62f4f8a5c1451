// Conversations with agents.
import { html, useEffect, useRef, useState } from '../lib/html.js';
import { ask } from '../lib/sse.js';
import { all, get, page, post } from '../lib/api.js';
import { useList, useLoad } from '../lib/load.js';
import { link, setQuery } from '../lib/router.js';
import { useNames } from '../lib/names.js';
import { may } from '../lib/session.js';
import { count, millis, moment, words } from '../lib/format.js';
import { Act, Badge, Empty, Facts, Id, Json, Page, Section, Shown } from '../ui/parts.js';
import { Choice, Failure, Text, useForm } from '../ui/form.js';
import { Table } from '../ui/table.js';

export function Conversations({ path, query }) {
  return path[0] ? html`<${Conversation} key=${path[0]} id=${path[0]} />` : html`<${ConversationList} query=${query} />`;
}

const mood = (value) => (value === null || value === undefined ? '–' : value > 0.25 ? 'good' : value < -0.25 ? 'bad' : 'neutral');

function ConversationList({ query }) {
  const filter = { status: query.status, channel: query.channel };
  const list = useList((cursor, signal) => page('/conversations', { ...filter, cursor }, signal), [filter], { every: 10000 });
  const agents = useNames('agents', (list.items ?? []).map((one) => one.agent_id));
  const set = (name) => (value) => setQuery({ [name]: value });
  const columns = [
    { name: 'at', label: 'Last message', cell: (one) => html`<a class="plain" href=${link('conversations', one.id)}>${moment(one.last_message_at ?? one.created_at)}</a>` },
    { name: 'agent', label: 'Agent', cell: (one) => agents.get(one.agent_id)?.name ?? html`<${Id} id=${one.agent_id} />` },
    { name: 'channel', label: 'Channel', cell: (one) => words(one.channel) },
    { name: 'status', label: 'Status', cell: (one) => html`<${Badge} is=${one.status} />` },
    { name: 'messages', label: 'Messages', num: true, cell: (one) => count(one.message_count) },
    { name: 'tokens', label: 'Tokens', num: true, wide: true, cell: (one) => count(one.tokens_input + one.tokens_output) },
    { name: 'mood', label: 'Sentiment', wide: true, cell: (one) => words(one.sentiment_label ?? mood(one.sentiment)) },
  ];
  return html`<${Page} title="Conversations"><${Section}>
    <div class="filters">
      <${Choice} label="Status" value=${query.status ?? ''} onInput=${set('status')} options=${[['', 'any'], ['active', 'active'], ['ended', 'ended']]} />
      <${Choice} label="Channel" value=${query.channel ?? ''} onInput=${set('channel')} options=${[['', 'any'], ['api', 'API'], ['voice', 'voice']]} />
    </div>
    <${Shown} of=${list}>${() => html`<${Table} label="Conversations" columns=${columns} rows=${list.items} more=${list.more}
      href=${(one) => link('conversations', one.id)} empty="No conversation fits." />`}<//><//><//>`;
}

function Conversation({ id }) {
  const one = useLoad((signal) => get(`/conversations/${id}`, {}, signal), [id], { every: 3000 });
  const messages = useLoad((signal) => all(`/conversations/${id}/messages`, { order: 'asc' }, signal, 1000), [id, one.data?.version]);
  const agents = useNames('agents', [one.data?.agent_id]);
  return html`<${Shown} of=${one}>${(data) => html`<${Page} title="Conversation" sub=${html`<${Id} id=${id} whole />`}
      actions=${data.status === 'active' && may('conversations:write') && html`<${Act} confirm="Really?" act=${() => post(`/conversations/${id}/end`).then(one.reload)} done="Ended">End<//>`}>
    <${Section}><${Facts} rows=${[
      ['Status', html`<${Badge} is=${data.status} />`],
      ['Agent', data.agent_id && html`<a href=${link('agents', data.agent_id)}>${agents.get(data.agent_id)?.name ?? data.agent_id}</a>`],
      ['Channel', words(data.channel)],
      data.call_id && ['Call', html`<${Id} id=${data.call_id} href=${link('calls', data.call_id)} />`],
      ['Messages', count(data.message_count)],
      ['Tokens', `${count(data.tokens_input)} read, ${count(data.tokens_output)} written`],
      ['Sentiment', words(data.sentiment_label ?? mood(data.sentiment))],
      ['Began', moment(data.created_at)],
      data.ended_at && ['Ended', moment(data.ended_at)],
    ]} /><//>
    <${Section} title="Messages">
      <${Shown} of=${messages}>${(list) => html`<div class="chat">${!list.length && html`<${Empty}>Nothing was said yet.<//>`}${list.map((message) => html`<${Message} key=${message.id} message=${message} />`)}</div>`}<//>
      ${data.status === 'active' && may('conversations:write') && html`<div class="chat"><${Say} id=${id} said=${one.reload} /></div>`}
    <//>
  <//>`}<//>`;
}

const Message = ({ message }) => html`<article class=${message.role}>
  <p class="hint">${message.role} · ${moment(message.created_at)}${message.model ? ` · ${message.provider} ${message.model}` : ''}${message.latency_ms !== null ? ` · ${millis(message.latency_ms)}` : ''}${message.tokens_output ? ` · ${count(message.tokens_output)} tokens` : ''}</p>
  <div>${message.content ?? html`<em>erased</em>`}</div>
  ${(message.tool_calls ?? []).map((use) => html`<details key=${use.id}><summary>calls <code>${use.name}</code></summary><${Json} value=${use.arguments ?? null} label="Arguments" /></details>`)}
</article>`;

// The answer is shown as it comes; once it is stored it is one of the messages.
function Say({ id, said }) {
  const [content, setContent] = useState('');
  const [answer, setAnswer] = useState(null);
  const abort = useRef(null);
  useEffect(() => () => abort.current?.abort(), []);
  const form = useForm(async () => {
    abort.current = new AbortController();
    setAnswer('');
    try {
      await ask(`/conversations/${id}/messages`, { content }, { signal: abort.current.signal, onEvent: ({ name, data }) => {
        if (name === 'delta') setAnswer((text) => text + data.content);
        if (name === 'tool_call') setAnswer((text) => `${text}\n[calls ${data.name}]\n`);
        if (name === 'error') throw Object.assign(new Error(data.detail), data);
      } });
      setContent('');
    } finally {
      setAnswer(null);
      said();
    }
  });
  return html`${answer !== null && html`<article class="assistant" aria-live="polite"><p class="hint">answering…</p>${answer}</article>`}
    <form class="form" onSubmit=${form.submit}><${Text} wide label="Say as the user" value=${content} onInput=${setContent} required />
    <${Failure} form=${form} /><div class="actions wide"><button class="primary" disabled=${form.busy}>Send</button></div></form>`;
}
