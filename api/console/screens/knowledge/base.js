// One knowledge base: its documents, and a search that shows how well passages fit.
import { html, useState } from '../../lib/html.js';
import { get, page, post, remove } from '../../lib/api.js';
import { useList, useLoad } from '../../lib/load.js';
import { go } from '../../lib/router.js';
import { may } from '../../lib/session.js';
import { count, moment, words } from '../../lib/format.js';
import { Act, Badge, Empty, Facts, Id, Page, Section, Shown } from '../../ui/parts.js';
import { Failure, Text, useForm } from '../../ui/form.js';
import { Table } from '../../ui/table.js';
import { say } from '../../ui/toast.js';
import { Upload } from './upload.js';

export function KnowledgeBase({ id }) {
  const one = useLoad((signal) => get(`/kb/${id}`, {}, signal), [id], { every: 5000 });
  const list = useList((cursor, signal) => page(`/kb/${id}/documents`, { cursor }, signal), [id], { every: 2000 });
  const writes = may('kb:write');
  const changed = () => { one.reload(); list.reload(); };
  return html`<${Shown} of=${one}>${(base) => html`<${Page} title=${base.name} sub=${html`<${Id} id=${id} whole />`}
      actions=${writes && html`<${Act} tone="bad" confirm="Really delete it with all documents?" act=${async () => { await remove(`/kb/${id}`); say('Deleted'); go('knowledge'); }}>Delete<//>`}>
    <${Section}><${Facts} rows=${[
      base.description && ['About', base.description],
      ['Status', html`<${Badge} is=${base.status} />`],
      ['Documents', count(base.documents)],
      ['Passages', count(base.chunks)],
      ['Model', `${base.embedding.provider} ${base.embedding.model}, ${base.embedding.dimensions} dimensions`],
    ]} /><//>
    <${Section} title="Search"><${SearchBox} id=${id} /><//>
    ${writes && html`<${Section} title="Add documents"><${Upload} id=${id} added=${changed} /><//>`}
    <${Section} title="Documents"><${Documents} id=${id} list=${list} writes=${writes} changed=${changed} /><//>
  <//>`}<//>`;
}

function Documents({ id, list, writes, changed }) {
  const at = (one) => `/kb/${id}/documents/${one.id}`;
  return html`<${Shown} of=${list}>${() => html`<${Table} label="Documents" rows=${list.items} more=${list.more}
    empty="There is no document yet." columns=${[
      { name: 'title', label: 'Title', css: 'break', cell: (one) => one.title ?? '–' },
      { name: 'status', label: 'Status', cell: (one) => html`<${Badge} is=${one.status} />${one.failure && html` ${words(one.failure)}`}` },
      { name: 'chunks', label: 'Passages', num: true, wide: true, cell: (one) => count(one.chunks ?? 0) },
      { name: 'at', label: 'Changed', wide: true, cell: (one) => moment(one.updated_at) },
      writes && { name: 'act', label: '', cell: (one) => html`
        ${one.status === 'failed' && html`<${Act} act=${async () => { await post(`${at(one)}/retry`); changed(); }}>Try again<//> `}
        <${Act} tone="bad" confirm="Really delete?" act=${async () => { await remove(at(one)); changed(); }}>Delete<//>` },
    ].filter(Boolean)} />`}<//>`;
}

function SearchBox({ id }) {
  const [query, setQuery] = useState('');
  const [found, setFound] = useState(null);
  const form = useForm(async () => setFound(await post(`/kb/${id}/search`, { query, limit: 10 })));
  const share = (value) => (value === null ? '–' : value.toFixed(3));
  return html`<form class="filters" role="search" onSubmit=${form.submit}>
      <${Text} label="Question" type="search" value=${query} onInput=${setQuery} error=${form.errors.query} required maxlength="2000" />
      <button disabled=${form.busy}>Search</button>
    </form>
    <${Failure} form=${form} />
    ${found?.length === 0 && html`<${Empty}>Nothing fits.<//>`}
    ${found?.length > 0 && html`<${Table} label="Passages" rows=${found} rowKey=${(one) => one.chunk_id} columns=${[
      { name: 'score', label: 'Score', num: true, cell: (one) => share(one.score) },
      { name: 'similarity', label: 'Nearness', num: true, cell: (one) => share(one.similarity) },
      { name: 'rank', label: 'By meaning / words', wide: true, cell: (one) => `${one.rank.vector ?? '–'} / ${one.rank.keyword ?? '–'}` },
      { name: 'title', label: 'Document', wide: true, cell: (one) => one.title },
      { name: 'text', label: 'Passage', css: 'break', cell: (one) => one.text },
    ]} />`}`;
}
