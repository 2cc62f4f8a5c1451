// What just happened, for a moment.
import { html } from '../lib/html.js';
import { store, useStore } from '../lib/store.js';

const told = store([]);
let number = 0;

export function say(text, tone = 'good') {
  const item = { text, tone, key: ++number };
  told.set([...told.get().slice(-3), item]);
  setTimeout(() => told.set(told.get().filter((other) => other !== item)), tone === 'bad' ? 8000 : 3000);
}

export const Toasts = () => html`<div class="toasts" role="status" aria-live="polite">
  ${useStore(told).map((item) => html`<p key=${item.key} class="toast ${item.tone}">${item.text}</p>`)}
</div>`;
