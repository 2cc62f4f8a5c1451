// Tabs of this browser share who is signed in: a link opened in another tab needs no second sign-in, a token renewed in
// one is renewed in all (used twice it would end the session), and signing out means everywhere. Only pages of this very
// origin hear each other, and nothing outlives the last tab.
import { credentials, leave, resume } from './session.js';
import { store } from './store.js';

const PATIENCE = 200;
const channel = new BroadcastChannel('voxledger.session');

const secretOf = (session) => session?.key ?? session?.refresh;

// false while other tabs are asked
export const settled = store(Boolean(credentials.get()));

channel.onmessage = ({ data }) => {
  const own = credentials.get();
  if (data.ask && own) channel.postMessage({ answer: own });
  if (data.answer && !own && !settled.get()) resume(data.answer);
  if (data.renewed && own?.refresh === data.before) resume(data.renewed);
  if (data.left && data.left === secretOf(own)) leave();
};

if (!settled.get()) {
  channel.postMessage({ ask: true });
  setTimeout(() => settled.set(true), PATIENCE);
}

export const tellRenewed = (before, session) => channel.postMessage({ renewed: session, before });
export const tellLeft = (session) => channel.postMessage({ left: secretOf(session) });

// One tab at a time. Without locks (plain http) tabs may meet; then one of them has to sign in again.
export const alone = (work) => (navigator.locks ? navigator.locks.request('voxledger.refresh', work) : work());

// What another tab said meanwhile comes as a task of its own.
export const listen = () => new Promise((done) => setTimeout(done, 20));
