// A menu to be made or changed.
import { html, useState } from '../../lib/html.js';
import { useNames } from '../../lib/names.js';
import { words } from '../../lib/format.js';
import { Area, Choice, Failure, Text, useForm } from '../../ui/form.js';

const ACTIONS = ['submenu', 'back', 'main', 'repeat', 'say', 'collect', 'agent', 'transfer', 'webhook', 'hangup'];
const BARE = ['back', 'main', 'repeat', 'hangup'];
const TEMPLATES = {
  collect: { name: 'number', prompt: 'Key in your number, then press hash.', min_digits: 1, max_digits: 8, terminator: '#', secret: false, then: { action: 'hangup' } },
  webhook: { url: 'https://example.com/next', timeout_ms: 3000, on_error: { action: 'hangup' } },
};
const NUMBERS = [['timeout_ms', 'Wait for a key, ms'], ['inter_digit_timeout_ms', 'Wait for the next key, ms'], ['max_retries', 'Retries']];

// what is typed: targets as text, objects as JSON
const typed = ({ action, target }) => ({ action, target: target === undefined || target === null ? '' : typeof target === 'string' ? target : JSON.stringify(target, null, 1) });

function meant({ action, target }, where) {
  if (BARE.includes(action) || target === '') return { action };
  if (!(action in TEMPLATES)) return { action, target };
  try {
    return { action, target: JSON.parse(target) };
  } catch {
    throw Object.assign(new Error(`${where}: the target of ${action} is no JSON`), { errors: [] });
  }
}

export function Editor({ menu, menus, send, verb }) {
  const known = useNames('menus');
  const others = [...(menus ?? known).values()];
  const [text, setText] = useState(() => ({
    name: menu.name, prompt: menu.prompt, short_prompt: menu.short_prompt ?? '', invalid_prompt: menu.invalid_prompt ?? '', timeout_prompt: menu.timeout_prompt ?? '',
    ...Object.fromEntries(NUMBERS.map(([name]) => [name, menu[name] ?? ''])),
    hours: menu.hours ? JSON.stringify(menu.hours, null, 1) : '',
  }));
  const [items, setItems] = useState(() => menu.items.map((item, key) => ({ key, digit: item.digit, label: item.label, ...typed(item) })));
  const [exhausted, setExhausted] = useState(() => typed(menu.on_exhausted));
  const [globals, setGlobals] = useState(() => ({ repeat: '', back: '', main: '', operator: '', ...menu.globals }));
  const set = (name) => (value) => setText({ ...text, [name]: value });
  const change = (key, changes) => setItems(items.map((item) => (item.key === key ? { ...item, ...changes } : item)));

  const form = useForm(() => {
    const body = {
      name: text.name,
      prompt: text.prompt,
      short_prompt: text.short_prompt || null,
      items: items.map((item) => ({ digit: item.digit, label: item.label, ...meant(item, `key ${item.digit}`) })),
      on_exhausted: meant(exhausted, 'when exhausted'),
      globals: Object.fromEntries(Object.entries(globals).filter(([, key]) => key)),
      hours: text.hours.trim() ? JSON.parse(text.hours) : null,
    };
    for (const name of ['invalid_prompt', 'timeout_prompt']) if (text[name]) body[name] = text[name];
    for (const [name] of NUMBERS) if (text[name] !== '') body[name] = Number(text[name]);
    return send(body);
  });
  const faults = (index) => Object.entries(form.errors).filter(([field]) => field.startsWith(`items[${index}]`) || field.startsWith(`items.${index}`)).map(([, detail]) => detail).join('; ');

  return html`<form class="stack" onSubmit=${form.submit}>
    <div class="form">
      <${Text} label="Name" value=${text.name} onInput=${set('name')} error=${form.errors.name} required />
      ${NUMBERS.map(([name, label]) => html`<${Text} key=${name} label=${label} type="number" min="1" value=${text[name]} onInput=${set(name)} error=${form.errors[name]} />`)}
      <${Area} label="Prompt" value=${text.prompt} onInput=${set('prompt')} error=${form.errors.prompt} required />
      <${Text} label="When it is played again" value=${text.short_prompt} onInput=${set('short_prompt')} error=${form.errors.short_prompt} />
      <${Text} label="After a wrong key" value=${text.invalid_prompt} onInput=${set('invalid_prompt')} error=${form.errors.invalid_prompt} />
      <${Text} label="After silence" value=${text.timeout_prompt} onInput=${set('timeout_prompt')} error=${form.errors.timeout_prompt} />
    </div>
    <h3>Keys</h3>
    <div class="items">${items.map((item, index) => html`<div class="item" key=${item.key}>
      <${Text} label="Key" value=${item.digit} onInput=${(digit) => change(item.key, { digit })} required />
      <${Text} label="Label" value=${item.label} onInput=${(label) => change(item.key, { label })} required />
      <${Action} of=${item} others=${others} error=${faults(index)} onChange=${(changes) => change(item.key, changes)} />
      <button type="button" class="small" aria-label="Remove key ${item.digit}" onClick=${() => setItems(items.filter((other) => other !== item))}>Remove</button>
    </div>`)}</div>
    <div class="actions"><button type="button" onClick=${() => setItems([...items, { key: Math.max(-1, ...items.map((item) => item.key)) + 1, digit: free(items), label: '', action: 'say', target: '' }])}>Add a key</button></div>
    <h3>When the caller has used up all tries</h3>
    <div class="items"><div class="item two"><${Action} of=${exhausted} others=${others} onChange=${(changes) => setExhausted({ ...exhausted, ...changes })} /></div></div>
    <h3>Keys that always do the same</h3>
    <div class="form">${Object.keys(globals).map((name) => html`<${Text} key=${name} label=${words(name)} value=${globals[name] ?? ''} onInput=${(key) => setGlobals({ ...globals, [name]: key })} error=${form.errors[`globals.${name}`]} />`)}</div>
    <${Area} label="Hours, as JSON; always open if left out" value=${text.hours} onInput=${set('hours')} error=${form.errors.hours} spellcheck="false" />
    <${Failure} form=${form} />
    <div class="actions"><button class="primary" disabled=${form.busy}>${verb}</button></div>
  </form>`;
}

function Action({ of, others, error, onChange }) {
  const pick = (action) => onChange({ action, target: TEMPLATES[action] ? JSON.stringify(TEMPLATES[action], null, 1) : '' });
  const input = of.action === 'submenu'
    ? html`<${Choice} label="Menu" value=${of.target} error=${error} onInput=${(target) => onChange({ target })} options=${[['', 'choose…'], ...others.map((menu) => [menu.id, menu.name])]} />`
    : of.action in TEMPLATES
      ? html`<${Area} label="Target (JSON)" value=${of.target} error=${error} onInput=${(target) => onChange({ target })} spellcheck="false" />`
      : html`<${Text} label=${{ say: 'Words', transfer: 'To', agent: 'Agent’s id' }[of.action]} value=${of.target} error=${error} onInput=${(target) => onChange({ target })} />`;
  return html`<${Choice} label="Does" value=${of.action} onInput=${pick} options=${ACTIONS.map((name) => [name, words(name)])} />
    ${BARE.includes(of.action) ? html`<p class="hint">${error}</p>` : input}`;
}

const free = (items) => [...'1234567890*#'].find((key) => !items.some((item) => item.digit === key)) ?? '';
