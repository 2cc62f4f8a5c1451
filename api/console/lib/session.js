// Who is signed in. Kept in the sessionStorage of tabs and nowhere else: never in an address, never in a cookie.
import { store } from './store.js';

const PLACE = 'voxledger.session';

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(PLACE));
  } catch {
    return null;
  }
}

// {kind: 'key', key} or {kind: 'user', access, refresh}, or null
export const credentials = store(kept());
// what GET /auth/me says
export const me = store(null);
// why one has to sign in again
export const notice = store('');

function keep(session) {
  if (session) sessionStorage.setItem(PLACE, JSON.stringify(session));
  else sessionStorage.removeItem(PLACE);
  if (!session) me.set(null);
  credentials.set(session);
}

export const useKey = (key) => keep({ kind: 'key', key });
export const useTokens = (tokens) =>
  keep({ kind: 'user', access: tokens.access_token, refresh: tokens.refresh_token });

// what another tab is signed in as
export const resume = (session) => keep(session);

export function leave(why = '') {
  notice.set(why);
  keep(null);
}

export const bearer = () => {
  const session = credentials.get();
  return session && (session.kind === 'key' ? session.key : session.access);
};

export const may = (scope) => {
  const scopes = me.get()?.scopes ?? [];
  return scopes.includes('*') || scopes.includes(scope);
};
