// Knowledge bases: what agents answer from.
import { html, useState } from '../lib/html.js';
import { page, post } from '../lib/api.js';
import { useList } from '../lib/load.js';
import { go, link } from '../lib/router.js';
import { may } from '../lib/session.js';
import { count, moment } from '../lib/format.js';
import { Badge, Page, Section, Shown, Tabs } from '../ui/parts.js';
import { Area, Failure, Text, useForm } from '../ui/form.js';
import { Dialog } from '../ui/dialog.js';
import { Table } from '../ui/table.js';
import { KnowledgeBase } from './knowledge/base.js';
import { Unanswered } from './knowledge/unanswered.js';

export function Knowledge({ path, query }) {
  return path[0] ? html`<${KnowledgeBase} key=${path[0]} id=${path[0]} />` : html`<${BaseList} query=${query} />`;
}

function BaseList({ query }) {
  const list = useList((cursor, signal) => page('/kb', { cursor }, signal), [], { every: 5000 });
  const [making, setMaking] = useState(false);
  return html`<${Page} title="Knowledge" actions=${may('kb:write') && html`<button type="button" onClick=${() => setMaking(true)}>New knowledge base</button>`}>
    <${Tabs} current=${query.tab ?? 'bases'} tabs=${[
      ['bases', 'Knowledge bases', link('knowledge')],
      may('conversations:read') && ['unanswered', 'Unanswered questions', link('knowledge', { tab: 'unanswered' })],
    ].filter(Boolean)} />
    ${query.tab === 'unanswered' ? html`<${Unanswered} query=${query} />` : html`<${Section}>
      <${Shown} of=${list}>${() => html`<${Table} label="Knowledge bases" rows=${list.items} more=${list.more} href=${(one) => link('knowledge', one.id)}
        empty="There is no knowledge base yet." columns=${[
          { name: 'name', label: 'Name', cell: (one) => html`<a href=${link('knowledge', one.id)}>${one.name}</a>` },
          { name: 'status', label: 'Status', cell: (one) => html`<${Badge} is=${one.status} />` },
          { name: 'documents', label: 'Documents', num: true, cell: (one) => count(one.documents) },
          { name: 'chunks', label: 'Passages', num: true, wide: true, cell: (one) => count(one.chunks) },
          { name: 'model', label: 'Model', wide: true, cell: (one) => one.embedding.model },
          { name: 'at', label: 'Created', wide: true, cell: (one) => moment(one.created_at) },
        ]} />`}<//>
    <//>`}
    ${making && html`<${Dialog} title="New knowledge base" onClose=${() => setMaking(false)}><${NewBase} /><//>`}
  <//>`;
}

function NewBase() {
  const [name, setName] = useState('');
  const [description, setDescription] = useState('');
  const form = useForm(async () => {
    const made = await post('/kb', { name, description: description || undefined });
    go('knowledge', made.id);
  });
  return html`<form onSubmit=${form.submit}>
    <${Text} label="Name" value=${name} onInput=${setName} error=${form.errors.name} required maxlength="100" />
    <${Area} label="About" value=${description} onInput=${setDescription} error=${form.errors.description} maxlength="1000" />
    <${Failure} form=${form} />
    <button disabled=${form.busy}>Create</button>
  </form>`;
}
