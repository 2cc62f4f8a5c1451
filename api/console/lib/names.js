// Names of menus, agents and tools by id, read once and again when one is unknown.
import { all, optional } from './api.js';
import { store, useStore } from './store.js';
import { useEffect } from './html.js';
import { credentials, may } from './session.js';

const kinds = {
  menus: { path: '/ivr/menus', scope: 'ivr:read', known: store(new Map()), asked: 0 },
  agents: { path: '/agents', scope: 'agents:read', known: store(new Map()), asked: 0 },
  tools: { path: '/tools', scope: 'tools:read', known: store(new Map()), asked: 0 },
};
credentials.watch((session) => {
  if (session) return;
  for (const kind of Object.values(kinds)) {
    kind.known.set(new Map());
    kind.asked = 0;
  }
});

async function learn(kind) {
  if (!may(kind.scope) || Date.now() - kind.asked < 10000) return;
  kind.asked = Date.now();
  const items = await optional(all(kind.path)).catch(() => null);
  if (items) kind.known.set(new Map(items.map((item) => [item.id, item])));
}

// id → resource
export function useNames(name, ids = []) {
  const kind = kinds[name];
  const known = useStore(kind.known);
  const unknown = ids.some((id) => id && !known.has(id));
  useEffect(() => {
    if (unknown || !kind.asked) learn(kind);
  }, [unknown]);
  return known;
}
