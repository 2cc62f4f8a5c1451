// The stream of all calls, one for the whole tab, open while anybody listens.
import { follow } from './sse.js';
import { store } from './store.js';
import { credentials } from './session.js';

// 'live', 'waiting' or 'refused'
export const streaming = store('waiting');

const listeners = new Set();
let running = null;

function start() {
  if (running || !listeners.size || !credentials.get()) return;
  running = new AbortController();
  follow('/calls/stream', {
    signal: running.signal,
    onState: (state) => streaming.set(state),
    onEvent: (event) => {
      for (const listener of [...listeners]) listener(event);
    },
  });
}

function stop() {
  running?.abort();
  running = null;
  streaming.set('waiting');
}

// another one signs in: another stream; refreshed tokens leave it open
let who = credentials.get()?.kind;
credentials.watch((session) => {
  if (session?.kind === who) return;
  who = session?.kind;
  stop();
  start();
});

// Tells `{name: 'call', data: {events, call}}` of each change, `{name: 'reset'}` when the list is to be read again;
// `{name: 'ready'}` when the stream stands.
export function watchCalls(listener) {
  listeners.add(listener);
  start();
  return () => {
    listeners.delete(listener);
    if (!listeners.size) stop();
  };
}
