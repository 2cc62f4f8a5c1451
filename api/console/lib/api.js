// The REST API: https://www.rfc-editor.org/rfc/rfc9457 problems become errors, expired tokens are refreshed once.
import { bearer, credentials, leave, useKey, useTokens } from './session.js';
import { shownTo } from './mask.js';
import { lost } from './server.js';
import { alone, listen, tellRenewed } from './tabs.js';

const BASE = '/api/v1';
const PATIENCE = 30000;

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `the node answered ${status}`);
    this.status = status;
    this.code = body.code ?? '';
    this.title = body.title ?? '';
    this.errors = body.errors ?? [];
    this.requestId = body.request_id ?? '';
  }

  // not served by this node, as opposed to not there
  get unavailable() {
    return this.status === 404 && this.code === 'route_not_found';
  }
}

export function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  const text = new URLSearchParams(given).toString();
  return BASE + path + (text && `?${text}`);
}

// crypto.randomUUID is not there on plain http
function random() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

async function send(url, { method = 'GET', body, headers = {}, signal, timeout = PATIENCE } = {}) {
  const patience = timeout ? AbortSignal.timeout(timeout) : undefined;
  const signals = [signal, patience].filter(Boolean);
  const all = { Accept: 'application/json', ...headers };
  if (bearer()) all.Authorization = `Bearer ${bearer()}`;
  if (body !== undefined) all['Content-Type'] = 'application/json';
  try {
    return await fetch(url, {
      method,
      headers: all,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signals.length ? AbortSignal.any(signals) : undefined,
      cache: 'no-store',
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    lost();
    throw new Problem(0, { code: 'unreachable', detail: 'the node does not answer' });
  }
}

let refreshing = null;

// one refresh at a time, in all tabs: a token used twice ends the whole session
function refresh() {
  const session = credentials.get();
  if (session?.kind !== 'user') return Promise.resolve(false);
  refreshing ??= alone(async () => {
    await listen();
    if (credentials.get()?.access !== session.access) return Boolean(credentials.get());
    const answer = await fetch(`${BASE}/auth/refresh`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ refresh_token: session.refresh }),
    }).catch(() => {
      lost();
      throw new Problem(0, { code: 'unreachable', detail: 'the node does not answer' });
    });
    if (!answer.ok) return false;
    useTokens((await answer.json()).data);
    tellRenewed(session.refresh, credentials.get());
    return true;
  }).finally(() => {
    refreshing = null;
  });
  return refreshing;
}

// The answer as it is, for whoever reads a stream or a text.
export async function open(url, options = {}) {
  const asked = bearer();
  let answer = await send(url, options);
  if (answer.status === 401 && asked) {
    const renewed = bearer() !== asked || (await refresh());
    if (renewed) answer = await send(url, options);
    if (answer.status === 401) leave('Your session is over. Sign in again to go on where you were.');
  }
  if (!answer.ok) throw await problem(answer);
  return answer;
}

async function problem(answer) {
  const body = await answer.json().catch(() => ({}));
  const error = new Problem(answer.status, body);
  error.retryAfter = Number(answer.headers.get('Retry-After')) || 0;
  return error;
}

// {data, meta, etag} of an answer
export async function call(method, path, { query, body, ifMatch, signal } = {}) {
  const headers = {};
  if (method === 'POST') headers['Idempotency-Key'] = random();
  if (ifMatch !== undefined) headers['If-Match'] = `"${ifMatch}"`;
  const answer = await open(address(path, query), { method, body, headers, signal });
  if (answer.status === 204) return { data: null, meta: {} };
  return shownTo(await answer.json());
}

export const get = async (path, query, signal) => (await call('GET', path, { query, signal })).data;
export const page = (path, query, signal) => call('GET', path, { query, signal });
export const post = async (path, body) => (await call('POST', path, { body })).data;
export const patch = async (path, body, ifMatch) => (await call('PATCH', path, { body, ifMatch })).data;
export const remove = async (path, ifMatch) => (await call('DELETE', path, { ifMatch })).data;

// All pages of a list, up to `most` items.
export async function all(path, query = {}, signal, most = 2000) {
  const items = [];
  let cursor;
  do {
    const { data, meta } = await page(path, { limit: 200, ...query, cursor }, signal);
    items.push(...data);
    cursor = meta.has_more ? meta.next_cursor : undefined;
  } while (cursor && items.length < most);
  return items;
}

// `null` where the node does not serve this, or we may not read it.
export async function optional(promise) {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof Problem && (error.status === 404 || error.status === 403)) return null;
    throw error;
  }
}

// Signing in asks without the credentials of this tab; nothing is kept before it went well.
async function knock(path, options) {
  const answer = await fetch(BASE + path, { ...options, cache: 'no-store' }).catch(() => {
    lost();
    throw new Problem(0, { code: 'unreachable', detail: 'the node does not answer' });
  });
  if (!answer.ok) throw await problem(answer);
  return (await answer.json()).data;
}

export async function signInWith(key) {
  if (!/^[\x21-\x7e]+$/.test(key)) throw new Problem(0, { detail: 'an API key has neither spaces nor special characters' });
  const who = await knock('/auth/me', { headers: { Authorization: `Bearer ${key}` } });
  useKey(key);
  return who;
}

export async function logIn(email, password) {
  const body = JSON.stringify({ email, password });
  useTokens(await knock('/auth/login', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body }));
}

// A request as a command line; the key stays out of it.
export function asCurl(path, query, { method = 'GET', body } = {}) {
  const quoted = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;
  const parts = ['curl', '-H', '"Authorization: Bearer $KEY"'];
  if (method !== 'GET') parts.push('-X', method);
  if (body) parts.push('--json', quoted(JSON.stringify(body)));
  return [...parts, quoted(location.origin + address(path, query))].join(' ');
}
