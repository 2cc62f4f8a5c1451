// Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats), as far as it is read here.
export function parseMetrics(text) {
  const found = new Map();
  for (const line of text.split('\n')) {
    const [, name, labels = '', value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
    if (!name) continue;
    const pairs = Object.fromEntries([...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, one]) => [key, one]));
    if (!found.has(name)) found.set(name, []);
    found.get(name).push({ labels: pairs, value: Number(value) });
  }
  return {
    all: (name) => found.get(name) ?? [],
    sum: (name) => (found.has(name) ? found.get(name).reduce((sum, one) => sum + one.value, 0) : null),
  };
}
