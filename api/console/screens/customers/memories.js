// What is remembered of a customer, with what shows it.
import { html, useState } from '../../lib/html.js';
import { page, post, remove } from '../../lib/api.js';
import { useList } from '../../lib/load.js';
import { link } from '../../lib/router.js';
import { count, moment, words } from '../../lib/format.js';
import { Act, Badge, Id, Section, Shown } from '../../ui/parts.js';
import { Choice, Failure, Text, useForm } from '../../ui/form.js';
import { Table } from '../../ui/table.js';
import { say } from '../../ui/toast.js';

const KINDS = ['fact', 'preference', 'issue', 'promise', 'note'];
const SCREENS = { call: 'calls', conversation: 'conversations' };

const Source = ({ memory: { source, evidence } }) => {
  const screen = SCREENS[source.type];
  if (!screen) return 'written by hand';
  return html`<${Id} id=${source.id} href=${link(screen, source.id)} />${evidence.length > 0 && ` ${count(evidence.length)} messages`}`;
};

export function Memories({ id, writes }) {
  const list = useList((cursor, signal) => page(`/customers/${id}/memories`, { cursor }, signal), [id], { every: 10000 });
  const forget = async (memory) => {
    await remove(`/memories/${memory.id}`, memory.version);
    list.reload();
  };
  return html`<${Section} title="Memories">
    <${Shown} of=${list}>${() => html`<${Table} label="What is remembered" rows=${list.items} more=${list.more}
      empty="Nothing is remembered of them." columns=${[
        { name: 'content', label: 'What', css: 'break', cell: (one) => one.content ?? '–' },
        { name: 'kind', label: 'Kind', cell: (one) => words(one.kind) },
        { name: 'status', label: 'Status', cell: (one) => html`<${Badge} is=${one.status} />` },
        { name: 'sure', label: 'Sure', wide: true, cell: (one) => `${Math.round(one.confidence * 100)} %` },
        { name: 'source', label: 'Shown by', wide: true, cell: (one) => html`<${Source} memory=${one} />` },
        { name: 'at', label: 'Changed', wide: true, cell: (one) => moment(one.updated_at) },
        { name: 'forget', label: '', cell: (one) => writes && html`<${Act} tone="bad" confirm="Really forget?" act=${() => forget(one)} done="Forgotten">Forget<//>` },
      ]} />`}<//>
    ${writes && html`<${NewMemory} id=${id} saved=${list.reload} />`}
  <//>`;
}

function NewMemory({ id, saved }) {
  const [content, setContent] = useState('');
  const [kind, setKind] = useState('note');
  const form = useForm(async () => {
    await post(`/customers/${id}/memories`, { content: content.trim(), kind });
    setContent('');
    say('Remembered');
    saved();
  });
  return html`<form class="form" onSubmit=${form.submit}>
    <${Text} wide label="Remember" value=${content} onInput=${setContent} error=${form.errors.content} hint="A sentence about the customer" maxlength="1000" required />
    <${Choice} label="Kind" value=${kind} onInput=${setKind} options=${KINDS.map((one) => [one, words(one)])} />
    <${Failure} form=${form} />
    <div class="actions wide"><button disabled=${form.busy}>Remember</button></div>
  </form>`;
}
