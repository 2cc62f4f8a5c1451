// Webhooks to the client's own systems: endpoints, one endpoint, one delivery.
import { html } from '../lib/html.js';
import { Endpoints } from './webhooks/endpoints.js';
import { Endpoint } from './webhooks/endpoint.js';
import { Delivery } from './webhooks/delivery.js';

export function Webhooks({ path, query }) {
  if (path[0] === 'deliveries') return html`<${Delivery} key=${path[1]} id=${path[1]} />`;
  if (path[0]) return html`<${Endpoint} key=${path[0]} id=${path[0]} query=${query} />`;
  return html`<${Endpoints} />`;
}
