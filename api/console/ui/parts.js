// Small parts that every screen uses.
import { html, useState, useEffect, useRef } from '../lib/html.js';
import { words, short } from '../lib/format.js';
import { say } from './toast.js';

export async function copy(text, what = 'copied') {
  try {
    await navigator.clipboard.writeText(text);
    say(what);
  } catch {
    say('the browser did not let us copy', 'bad');
  }
}

export const Copy = ({ text, label = 'Copy', what }) =>
  html`<button type="button" class="small quiet" onClick=${() => copy(text, what ?? 'copied')}>${label}</button>`;

const CopyIcon = () => html`<svg class="glyph" viewBox="0 0 16 16" aria-hidden="true"><rect x="5.5" y="5.5" width="8" height="8" rx="1.5" /><path d="M3.5 10.5h-1v-8h8v1" /></svg>`;

// An id, short to look at and whole when copied.
/** A signing secret, the one time it is shown. */
export const Secret = ({ secret }) => html`<p>Its signing secret. It is shown only now:</p><p class="secret">${secret}</p>
  <div class="actions"><${Copy} text=${secret} label="Copy the secret" what="secret copied" /></div>`;

export function Id({ id, href, whole = false }) {
  if (!id) return html`<span class="dim">–</span>`;
  const text = whole ? id : short(id);
  return html`<span class="id">
    ${href ? html`<a href=${href} title=${id}>${text}</a>` : html`<code title=${id}>${text}</code>`}
    <button type="button" class="icon" title="Copy ${id}" aria-label="Copy ${id}"
      onClick=${(event) => { event.stopPropagation(); copy(id, 'id copied'); }}><${CopyIcon} /></button>
  </span>`;
}

const TONES = {
  in_progress: 'good', answered: 'good', succeeded: 'good', active: 'good', completed: 'good', ready: 'good', none: 'dim',
  ringing: 'warn', dialing: 'warn', queued: 'warn', pending: 'warn', dial_unknown: 'warn', warning: 'warn', exhausted: 'warn',
  failed: 'bad', error: 'bad', platform: 'bad', provider: 'bad', caller_config: 'warn', revoked: 'bad', disabled: 'bad',
  ended: 'dim', abandoned: 'warn', cancelled: 'dim',
};

export const Badge = ({ is, text }) =>
  html`<span class="badge ${TONES[is] ?? 'dim'}">${text ?? words(is)}</span>`;

export const Loading = () => html`<p class="hint" role="status">Loading…</p>`;

export function Fault({ error, retry }) {
  if (error.unavailable) return html`<${NotAvailable} />`;
  const denied = error.status === 403;
  return html`<div class="box bad" role="alert">
    <strong>${denied ? 'You may not see this.' : error.status === 404 ? 'There is no such thing.' : 'That did not work.'}</strong>
    <p>${error.message}</p>
    ${error.requestId && html`<p class="hint">request <code>${error.requestId}</code></p>`}
    ${retry && !denied && html`<button type="button" onClick=${retry}>Try again</button>`}
  </div>`;
}

export const NotAvailable = ({ what = 'This' }) =>
  html`<p class="hint" data-unavailable>${what} is not available on this node.</p>`;

export const Empty = ({ children }) => html`<p class="hint empty">${children}</p>`;

// Data, or why there is none yet.
export function Shown({ of, children }) {
  if (of.data !== undefined) return children(of.data);
  if (of.error) return html`<${Fault} error=${of.error} retry=${of.reload} />`;
  return html`<${Loading} />`;
}

export function Page({ title, sub, actions, children }) {
  useEffect(() => {
    document.title = `${typeof title === 'string' ? title : 'Console'} · Voxledger`;
  }, [title]);
  return html`<header class="page-head">
      <div><h1 tabindex="-1">${title}</h1>${sub && html`<p class="hint">${sub}</p>`}</div>
      ${actions && html`<div class="actions">${actions}</div>`}
    </header>${children}`;
}

export const Section = ({ title, actions, children, id }) => html`<section class="panel" id=${id} aria-label=${title}>
  ${title && html`<header><h2>${title}</h2>${actions && html`<div class="actions">${actions}</div>`}</header>`}
  ${children}
</section>`;

export const Facts = ({ rows }) => html`<dl class="facts">
  ${rows.filter(Boolean).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value ?? html`<span class="dim">–</span>`}</dd></div>`)}
</dl>`;

export function Json({ value, label = 'JSON' }) {
  const text = typeof value === 'string' ? pretty(value) : JSON.stringify(value, null, 2);
  return html`<div class="json"><pre tabindex="0" aria-label=${label}>${text}</pre><${Copy} text=${text} /></div>`;
}

// Bodies are shown as they came when they are no JSON.
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

// Links to the parts of a screen.
export const Tabs = ({ tabs, current }) => html`<nav class="tabs" aria-label="Parts of this screen">
  ${tabs.map(([name, label, href]) => html`<a key=${name} href=${href} aria-current=${name === current ? 'page' : undefined}>${label}</a>`)}
</nav>`;

// A button that shows that it works, and says what went wrong.
export function Act({ act, done, children, tone = '', confirm, disabled }) {
  const [busy, setBusy] = useState(false);
  const [armed, setArmed] = useState(false);
  const mounted = useRef(true);
  useEffect(() => () => { mounted.current = false; }, []);
  useEffect(() => {
    if (!armed) return undefined;
    const timer = setTimeout(() => setArmed(false), 4000);
    return () => clearTimeout(timer);
  }, [armed]);
  const press = async (event) => {
    event.stopPropagation();
    if (confirm && !armed) return setArmed(true);
    setArmed(false);
    setBusy(true);
    try {
      await act();
      if (done) say(done);
    } catch (error) {
      say(error.message, 'bad');
    }
    return mounted.current && setBusy(false);
  };
  return html`<button type="button" class=${armed ? 'bad' : tone} disabled=${busy || disabled} onClick=${press}>
    ${armed ? confirm : children}</button>`;
}
