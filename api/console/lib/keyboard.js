// Keys that work everywhere: g and a letter goes somewhere, / searches, ? explains.
import { store } from './store.js';
import { go } from './router.js';

export const helpShown = store(false);

export const PLACES = [
  ['o', 'overview', 'Overview'],
  ['l', 'live', 'Live calls'],
  ['c', 'calls', 'Calls'],
  ['i', 'ivr', 'Menus'],
  ['w', 'webhooks', 'Webhooks'],
  ['v', 'conversations', 'Conversations'],
  ['a', 'agents', 'Agents and tools'],
  ['k', 'keys', 'Keys and usage'],
  ['u', 'audit', 'Audit'],
  ['s', 'system', 'System'],
];

let armed = 0;

function typing(target) {
  return target.closest?.('input, textarea, select, [contenteditable]');
}

addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing(event.target)) {
    if (event.key === 'Escape') event.target.blur();
    return;
  }
  if (document.querySelector('dialog[open]')) return;
  const going = Date.now() - armed < 1200;
  armed = 0;
  const place = going && PLACES.find(([key]) => key === event.key);
  if (place) go(place[1]);
  else if (event.key === 'g') armed = Date.now();
  else if (event.key === '?') helpShown.set(true);
  else if (event.key === '/') document.querySelector('[data-search]')?.focus();
  else return;
  event.preventDefault();
});
