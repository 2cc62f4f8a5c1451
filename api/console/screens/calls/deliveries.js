// The webhook deliveries that told clients of this call. A public event has the id of the fact it tells of.
import { get, optional, page } from '../../lib/api.js';
import { may } from '../../lib/session.js';

const TOLD = ['call.received', 'call.queued', 'call.ringing', 'call.answered', 'call.ended', 'call.recording_saved', 'ivr_session.ended'];
const MOST_ENDPOINTS = 8;

export async function deliveriesOf(events, more = [], signal) {
  const told = [...events, ...more].filter((event) => TOLD.includes(event.type));
  if (!told.length || !may('webhooks:read')) return [];
  const endpoints = await optional(get('/webhooks', { limit: MOST_ENDPOINTS }, signal));
  const asked = (endpoints ?? []).flatMap((endpoint) => told.map(async (event) => {
    const found = await optional(page(`/webhooks/${endpoint.id}/deliveries`, { event_id: event.id }, signal));
    return (found?.data ?? []).map((delivery) => ({ ...delivery, url: endpoint.url }));
  }));
  return (await Promise.all(asked)).flat();
}
