// Keys that work everywhere: g and a letter goes somewhere, / searches, ? explains.
import { store } from './store.js';
import { go } from './router.js';
import { may } from './session.js';

export const helpShown = store(false);

// key, address, name, and the scope it takes
const PLACES = [
  ['o', 'overview', 'Overview', 'calls:read'],
  ['l', 'live', 'Live calls', 'calls:read'],
  ['c', 'calls', 'Calls', 'calls:read'],
  ['i', 'ivr', 'Menus', 'ivr:read'],
  ['w', 'webhooks', 'Webhooks', 'webhooks:read'],
  ['v', 'conversations', 'Conversations', 'conversations:read'],
  ['p', 'customers', 'Customers', 'customers:read'],
  ['n', 'knowledge', 'Knowledge', 'kb:read'],
  ['b', 'billing', 'Billing', 'billing:read'],
  ['a', 'agents', 'Agents and tools', 'agents:read'],
  ['k', 'keys', 'Keys and usage', 'keys:read'],
  ['u', 'audit', 'Audit', 'audit:read'],
  ['s', 'system', 'System'],
];

// Those one may see.
export const places = () => PLACES.filter(([, , , scope]) => !scope || may(scope));

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
  const place = going && places().find(([key]) => key === event.key);
  if (place) go(place[1]);
  else if (event.key === 'g') armed = Date.now();
  else if (event.key === '?') helpShown.set(true);
  else if (event.key === '/') document.querySelector('[data-search]')?.focus();
  else return;
  event.preventDefault();
});
