// Questions for which nothing was found in the knowledge bases.
import { html } from '../../lib/html.js';
import { page } from '../../lib/api.js';
import { useList } from '../../lib/load.js';
import { useNames } from '../../lib/names.js';
import { link, setQuery } from '../../lib/router.js';
import { moment } from '../../lib/format.js';
import { Section, Shown } from '../../ui/parts.js';
import { Table } from '../../ui/table.js';

export function Unanswered({ query }) {
  const list = useList((cursor, signal) => page('/analytics/unanswered', { agent_id: query.agent, cursor }, signal), [query.agent], { every: 10000 });
  const agents = useNames('agents');
  return html`<${Section} title="Unanswered questions">
    <form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
      <label>Agent <select value=${query.agent ?? ''} onChange=${(event) => setQuery({ agent: event.target.value || undefined })}>
        <option value="">all</option>${[...agents.values()].map((agent) => html`<option key=${agent.id} value=${agent.id} selected=${agent.id === query.agent}>${agent.name}</option>`)}
      </select></label>
    </form>
    <${Shown} of=${list}>${() => html`<${Table} label="Unanswered questions" rows=${list.items} more=${list.more} rowKey=${(one) => one.message_id} href=${(one) => link('conversations', one.conversation_id)}
      empty="Something was found for every question." columns=${[
        { name: 'at', label: 'When', cell: (one) => moment(one.at) },
        { name: 'question', label: 'Asked', cell: (one) => html`<a href=${link('conversations', one.conversation_id)}>${one.question ?? '–'}</a>` },
        { name: 'answer', label: 'Answered', wide: true, cell: (one) => one.answer ?? '–' },
        { name: 'words', label: 'Searched by', wide: true, cell: (one) => (one.words_only ? 'words alone' : 'meaning and words') },
      ]} />`}<//>
  <//>`;
}
