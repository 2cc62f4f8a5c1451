// Addresses are fragments: the node serves one page, and nothing shadows its other paths.
import { store, useStore } from './store.js';

function parse() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  return {
    path: path.split('/').filter(Boolean).map(decodeURIComponent),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

export const route = store(parse());
addEventListener('hashchange', () => route.set(parse()));

export const useRoute = () => useStore(route);

export function link(...path) {
  const query = typeof path.at(-1) === 'object' ? path.pop() : {};
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  const text = new URLSearchParams(given).toString();
  return `#/${path.map(encodeURIComponent).join('/')}${text && `?${text}`}`;
}

export const go = (...path) => {
  location.hash = link(...path);
};

// Changes the query in place: a filter is no new page.
export function setQuery(changes) {
  const { path, query } = route.get();
  history.replaceState(null, '', link(...path, { ...query, ...changes }));
  route.set(parse());
}
