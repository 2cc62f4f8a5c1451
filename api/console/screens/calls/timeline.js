// One line of time for everything that happened in a call.
import { html, useMemo, useState } from '../../lib/html.js';
import { useNames } from '../../lib/names.js';
import { fine, millis } from '../../lib/format.js';
import { typeId } from '../../lib/type_id.js';
import { Json, Loading } from '../../ui/parts.js';
import { KINDS, steps } from './steps.js';

const PLACE = 'voxledger.timeline';
const SLOW = 1000;

export function Timeline({ call, events, session, deliveries }) {
  const [hidden, setHidden] = useState(() => new Set((sessionStorage.getItem(PLACE) ?? '').split(',').filter(Boolean)));
  const seen = (session?.events ?? []).map((event) => event.data.menu && typeId('ivrm', event.data.menu));
  const menus = useNames('menus', seen);
  const made = useMemo(() => steps({ events, session, deliveries, menus }), [events, session, deliveries, menus]);
  const start = Date.parse(call.created_at);
  const toggle = (kind) => {
    const next = new Set(hidden);
    if (!next.delete(kind)) next.add(kind);
    sessionStorage.setItem(PLACE, [...next].join());
    setHidden(next);
  };
  return html`<div class="checks" role="group" aria-label="What is shown">${KINDS.map(([kind, label]) => html`<label key=${kind}>
      <input type="checkbox" checked=${!hidden.has(kind)} onChange=${() => toggle(kind)} /><span class="kind k-${kind}">${label}</span></label>`)}</div>
    <ol class="timeline">${made.filter((step) => !hidden.has(step.kind)).map((step) => html`<${Step} key=${step.key} step=${step} start=${start} />`)}</ol>
    ${call.version > events.length && html`<${Loading} />`}`;
}

function Step({ step, start }) {
  const [open, setOpen] = useState(false);
  const offset = (step.order - start) / 1000;
  return html`<li class="${step.faint ? 'faint' : ''}">
    <time datetime=${step.at} title=${fine(step.at)}>${offset < 0 ? '' : '+'}${offset.toFixed(3)}</time>
    <span class="kind k-${step.kind}">${KINDS.find(([kind]) => kind === step.kind)[1]}</span>
    <div class="what">
      <button type="button" class="tell ${step.tone ?? ''}" aria-expanded=${open} onClick=${() => setOpen(!open)}>
        ${step.who && html`<b>${step.who}:</b> `}${step.kind === 'keys' ? html`<kbd>${step.text}</kbd>` : step.text}</button>
      ${step.note && html` <span class="dim">${step.note}</span>`}
      ${step.ms !== undefined && step.ms !== null && html` <span class="ms ${step.ms >= SLOW && step.kind !== 'menu' ? 'warn' : ''}" title="${millis(step.ms)} ${step.on ?? ''}">${millis(step.ms)}</span>`}
      ${step.href && html` <a href=${step.href} class="open">open</a>`}
      ${open && html`<${Json} value=${step.raw} label="As it was recorded" />`}
    </div>
  </li>`;
}
