// How an endpoint does: its last attempts at a glance.
import { html } from '../../lib/html.js';
import { ago, millis, percent } from '../../lib/format.js';
import { page } from '../../lib/api.js';

const LOOKED_AT = 50;

export async function healthOf(endpoint, signal) {
  const { data } = await page(`/webhooks/${endpoint.id}/logs`, { limit: LOOKED_AT }, signal);
  const good = data.filter((attempt) => !attempt.error);
  const times = good.map((attempt) => attempt.latency_ms).sort((a, b) => a - b);
  return {
    attempts: data,
    rate: data.length ? good.length / data.length : null,
    median: times.length ? times[Math.floor(times.length / 2)] : null,
    last: data[0],
  };
}

// The last attempts, oldest first, a bar each.
export const Pulse = ({ attempts }) => html`<svg class="pulse-bars" viewBox="0 0 ${LOOKED_AT * 4} 20" preserveAspectRatio="none" role="img"
  aria-label="${attempts.filter((attempt) => !attempt.error).length} of the last ${attempts.length} attempts succeeded">
  ${[...attempts].reverse().map((attempt, i) => html`<rect key=${attempt.id} x=${(LOOKED_AT - attempts.length + i) * 4} y=${attempt.error ? 0 : 6} width="3"
    height=${attempt.error ? 20 : 14} class=${attempt.error ? 'bad' : 'good'} />`)}
</svg>`;

export const Health = ({ of }) => (of?.last
  ? html`<${Pulse} attempts=${of.attempts} /> <span class="dim">${percent(of.rate)}, median ${millis(of.median)}, ${ago(of.last.created_at)}</span>`
  : html`<span class="dim">nothing sent yet</span>`);
