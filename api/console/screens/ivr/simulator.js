// Walk a menu without a phone. The node walks it; nothing is stored.
import { html, useEffect, useRef, useState } from '../../lib/html.js';
import { post } from '../../lib/api.js';
import { words } from '../../lib/format.js';
import { Badge, Fault } from '../../ui/parts.js';
import { Text } from '../../ui/form.js';

const KEYS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '0', '#'];

export function Simulator({ id, menus, onMove }) {
  const [inputs, setInputs] = useState([]);
  const [way, setWay] = useState(null);
  const [error, setError] = useState(null);
  const [digits, setDigits] = useState('');
  const said = useRef(null);
  useEffect(() => {
    let wanted = true;
    post(`/ivr/menus/${id}/simulate`, { inputs }).then((answer) => {
      if (!wanted) return;
      setWay(answer);
      setError(null);
      onMove(answer.steps.at(-1).menu_id);
    }, (failure) => wanted && setError(failure));
    return () => { wanted = false; };
  }, [id, inputs]);
  useEffect(() => said.current?.scrollTo(0, said.current.scrollHeight), [way]);
  const over = way && way.status !== 'active';
  const press = (input) => !over && setInputs([...inputs, input]);
  const send = (event) => {
    event.preventDefault();
    if (digits) press({ digits });
    setDigits('');
  };
  if (error && !way) return html`<${Fault} error=${error} retry=${() => setInputs([...inputs])} />`;
  return html`
    <div class="said" ref=${said} role="log" aria-label="What is said and keyed" tabindex="0">${way?.steps.map((step, i) => html`<${Step} key=${i} step=${step} menus=${menus} />`)}
      ${over && html`<p class="note"><${Badge} is=${way.status} /> after ${way.turn_count} turns</p>`}</div>
    <div class="phone" role="group" aria-label="Keys">${KEYS.map((key) => html`<button type="button" key=${key} disabled=${over} onClick=${() => press({ digits: key })}>${key}</button>`)}</div>
    <form class="filters" onSubmit=${send}><${Text} label="Several keys at once" value=${digits} onInput=${setDigits} placeholder="4711#" pattern="[0-9A-D*#]+" /><button disabled=${over}>Key in</button></form>
    <div class="actions">
      <button type="button" disabled=${over} onClick=${() => press({ silence: true })}>Say nothing</button>
      <button type="button" disabled=${over} onClick=${() => press({ hangup: true })}>Hang up</button>
      <button type="button" disabled=${!inputs.length} onClick=${() => setInputs(inputs.slice(0, -1))}>Undo</button>
      <button type="button" disabled=${!inputs.length} onClick=${() => setInputs([])}>Start over</button>
    </div>`;
}

function Step({ step, menus }) {
  const { input } = step;
  const heard = step.events.find((event) => event.type === 'ivr_session.step_taken')?.data;
  const entered = step.events.find((event) => event.type === 'ivr_session.menu_entered');
  const ended = step.events.find((event) => event.type === 'ivr_session.ended')?.data;
  const notes = [
    step.refused && `refused: ${step.refused}`,
    heard && (heard.heard === 'matched' ? words(heard.action) : words(heard.heard)),
    entered && `enters ${menus.get(step.menu_id)?.name ?? 'a menu'}`,
    ended && [words(ended.cause), ended.outcome && `${words(ended.outcome.action)} ${ended.outcome.target ?? ''}`].filter(Boolean).join(': '),
  ].filter(Boolean);
  return html`
    ${input && html`<p class="caller">${input.digits ?? (input.silence ? '(silence)' : '(hangs up)')}</p>`}
    ${notes.length > 0 && html`<p class="note">${notes.join(' · ')}</p>`}
    ${step.prompt && html`<p>${step.prompt}</p>`}`;
}
