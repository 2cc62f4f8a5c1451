// Why did it end? In words, with what to do about it.
import { html } from '../../lib/html.js';
import { moment, words } from '../../lib/format.js';
import { Badge, Facts, Section } from '../../ui/parts.js';

const REASONS = {
  caller_hangup: ['The caller hung up.', ''],
  agent_hangup: ['The agent ended it.', ''],
  api_hangup: ['It was ended over the API or from this console.', 'The audit log says by whom.'],
  ivr_completed: ['The menu came to its end.', ''],
  transferred: ['It was handed to another party.', ''],
  busy: ['The other side was busy.', 'Try again later.'],
  no_answer: ['Nobody answered in time.', 'Try again later, or let it ring longer (ring_timeout_ms).'],
  rejected: ['The call was refused.', 'For inbound calls: does the number belong to you, and does its route say reject?'],
  cancelled: ['It was given up before it was answered.', ''],
  invalid_number: ['There is no such number.', 'Check the number: E.164 begins with + and the country code.'],
  voicemail: ['A machine answered.', ''],
  max_duration: ['It had lasted as long as it may.', 'Raise max_duration_ms if calls like this should last longer.'],
  silence_timeout: ['Nobody said anything for too long.', ''],
  ivr_no_input: ['The caller pressed nothing, again and again.', 'Is the prompt clear? Look at the drop-off of the menu.'],
  ivr_too_many_invalid: ['The caller pressed keys that lead nowhere, again and again.', 'Is the prompt clear? Look at the drop-off of the menu.'],
  dial_timeout: ['The carrier never said what became of the dial.', 'See the carrier’s own log by its call id.'],
  insufficient_credits: ['There was no credit left.', ''],
  concurrency_limit: ['Too many calls were going on.', 'Raise the client’s limit, or place fewer at a time.'],
  provider_error: ['The carrier failed.', 'The carrier’s own word is below; its status page may say more.'],
  media_lost: ['The sound was lost.', 'Usually the carrier’s network.'],
  platform_error: ['This node failed.', 'See its log for the request ids in the raw events.'],
  merged: ['Its leg turned out to belong to another call, which goes on.', 'The event call.merged names that call.'],
  unknown: ['The carrier did not say why.', ''],
};
const FAULTS = {
  none: 'nobody’s fault', caller_config: 'your configuration', provider: 'the carrier', platform: 'this node',
};

export function Why({ call, events }) {
  if (!call.end_reason) return null;
  const [sentence, next] = REASONS[call.end_reason] ?? [words(call.end_reason), ''];
  const refused = events.filter((event) => event.type === 'call.command_failed');
  const tone = call.fault === 'none' ? 'good' : call.fault === 'caller_config' ? 'warn' : 'bad';
  return html`<${Section} title="Why did it end?">
    <div class="box ${tone}"><strong>${sentence}</strong>${next && html`<p>${next}</p>`}</div>
    <${Facts} rows=${[
      ['Reason', html`<code>${call.end_reason}</code>`],
      ['Ended by', words(call.ended_by)],
      ['Fault', html`<${Badge} is=${call.fault} text=${FAULTS[call.fault] ?? call.fault} />`],
      call.provider_code && ['Carrier’s word', html`<code>${call.provider_code}</code>`],
      call.sip_code && ['SIP', String(call.sip_code)],
      ['At', moment(call.ended_at)],
      refused.length > 0 && ['Refused commands', refused.map((event) => event.data.command).join(', ')],
    ]} />
  <//>`;
}
