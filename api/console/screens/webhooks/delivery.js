// One delivery: each attempt with what was sent and answered.
import { html } from '../../lib/html.js';
import { asCurl, get, post } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';
import { link } from '../../lib/router.js';
import { screenOf } from '../../lib/type_id.js';
import { may } from '../../lib/session.js';
import { ago, fine, millis, moment, words } from '../../lib/format.js';
import { Act, Badge, Copy, Empty, Facts, Id, Json, Page, Section, Shown } from '../../ui/parts.js';

export function Delivery({ id }) {
  const delivery = useLoad((signal) => get(`/webhooks/deliveries/${id}`, {}, signal), [id], { every: 3000 });
  return html`<${Shown} of=${delivery}>${(data) => html`<${One} delivery=${data} reload=${delivery.reload} />`}<//>`;
}

function One({ delivery, reload }) {
  const soon = () => setTimeout(reload, 300);
  const subject = delivery.payload?.subject;
  const about = screenOf(subject?.id);
  const actions = may('webhooks:write') && html`
    ${delivery.status === 'pending' && html`<${Act} confirm="Really?" act=${() => post(`/webhooks/deliveries/${delivery.id}/cancel`).then(soon)} done="Cancelled">Cancel<//>`}
    <${Act} tone="primary" act=${() => post(`/webhooks/deliveries/${delivery.id}/redeliver`).then(soon)} done="It is sent again">Redeliver<//>`;
  return html`<${Page} title="${delivery.event}" sub=${html`<${Id} id=${delivery.id} whole />`} actions=${actions}>
    <${Section}><${Facts} rows=${[
      ['Status', html`<${Badge} is=${delivery.status} />`],
      ['Attempts', String(delivery.attempt_count)],
      delivery.next_attempt_at && ['Next attempt', ago(delivery.next_attempt_at)],
      ['Event happened', moment(delivery.created_at)],
      ['Event', html`<${Id} id=${delivery.event_id} />`],
      ['Endpoint', html`<${Id} id=${delivery.endpoint_id} href=${link('webhooks', delivery.endpoint_id)} />`],
      subject && ['About', html`<${Id} id=${subject.id} href=${about && link(...about)} />`],
    ]} /><//>
    <div class="columns">
      <${Section} title="Attempts" actions=${html`<${Copy} text=${asCurl(`/webhooks/deliveries/${delivery.id}`)} label="Copy as curl" what="command copied" />`}>
        ${!delivery.attempts.length && html`<${Empty}>None yet.<//>`}
        ${[...delivery.attempts].reverse().map((attempt) => html`<${Attempt} key=${attempt.id} attempt=${attempt} />`)}
      <//>
      <${Section} title="What is sent">
        ${delivery.payload ? html`<${Json} value=${delivery.payload} label="The request's body" />` : html`<${Empty}>It is not kept any more.<//>`}
        <p class="hint">With <code>webhook-id: ${delivery.event_id}</code>, <code>webhook-timestamp</code> and <code>webhook-signature</code>.</p>
      <//>
    </div>
  <//>`;
}

const Attempt = ({ attempt }) => html`<article class="box ${attempt.error ? 'bad' : 'good'}">
  <strong>Attempt ${attempt.attempt_number}: ${attempt.status_code ?? words(attempt.error)}</strong>
  <p>${moment(attempt.created_at)} <span class="dim">${fine(attempt.created_at)}, answered within ${millis(attempt.latency_ms)}</span></p>
  ${attempt.error_detail && html`<p>${attempt.error_detail}</p>`}
  ${Object.keys(attempt.response_headers ?? {}).length > 0 && html`<dl class="heads">${Object.entries(attempt.response_headers).map(([name, value]) => html`<div key=${name}><dt><code>${name}</code></dt><dd><code>${value}</code></dd></div>`)}</dl>`}
  ${attempt.response_body ? html`<${Json} value=${attempt.response_body} label="The answer's body" />` : html`<p class="hint">The answer had no body.</p>`}
</article>`;
