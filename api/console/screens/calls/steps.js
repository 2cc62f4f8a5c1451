// What happened in a call, made of its events, those of its way through the menus, and its webhook deliveries.
// A step: {key, at, kind, text, note, ms, tone, raw, href}.
import { party, size, words } from '../../lib/format.js';
import { typeId } from '../../lib/type_id.js';
import { link } from '../../lib/router.js';

export const KINDS = [
  ['state', 'State'], ['talk', 'Talk'], ['keys', 'Keys'], ['menu', 'Menu'], ['command', 'Commands'], ['carrier', 'Carrier'], ['webhook', 'Webhooks'],
];

// the words of each event; those not named here are only shown raw
const TELL = {
  'call.received': (d) => ({ kind: 'state', text: `Call from ${party(d.from)} to ${party(d.to)}` }),
  'call.queued': (d) => ({ kind: 'state', text: `Call to ${party(d.to)} was asked for` }),
  'call.dial_postponed': () => ({ kind: 'state', text: 'The dial did not reach the carrier, and is repeated', tone: 'warn' }),
  'call.dial_unknown': () => ({ kind: 'state', text: 'The carrier’s answer to the dial was lost', tone: 'warn' }),
  'call.dial_accepted': () => ({ kind: 'state', text: 'The carrier has the call' }),
  'call.ringing': () => ({ kind: 'state', text: 'Ringing' }),
  'call.answered': () => ({ kind: 'state', text: 'Answered', tone: 'good' }),
  'call.answerer_detected': (d) => ({ kind: 'state', text: `Answered by a ${words(d.answered_by)}` }),
  'call.merged': (d) => ({ kind: 'state', text: 'Merged into another call', note: d.into }),
  'call.ended': (d) => ({ kind: 'state', text: `Ended: ${words(d.reason)}`, note: `by ${words(d.ended_by)}, fault: ${words(d.fault)}`, tone: d.fault === 'none' ? 'good' : 'bad' }),
  'call.end_explained': (d) => ({ kind: 'state', text: `The carrier says: ${words(d.reason)}`, note: `by ${words(d.ended_by)}, fault: ${words(d.fault)}` }),
  'call.hangup_planned': (d) => ({ kind: 'state', text: 'Will hang up once this is said', note: words(d.reason) }),
  'call.speech_requested': (d) => ({ kind: 'talk', text: d.text ?? '(erased)', who: 'agent' }),
  'call.gather_requested': (d) => ({ kind: 'talk', text: d.text ?? '(erased)', note: 'and takes keys', who: 'agent' }),
  'call.line_transcribed': (d) => ({ kind: 'talk', text: d.text ?? '(erased)', who: d.speaker, note: d.confidence_permille ? `${(d.confidence_permille / 10).toFixed(0)} % sure` : '' }),
  'call.speech_ended': (d) => ({ kind: 'talk', text: `Speech ${words(d.outcome)}`, faint: true }),
  'call.dtmf_received': (d) => ({ kind: 'keys', text: d.digit ?? '•', who: 'caller' }),
  'call.transfer_connected': () => ({ kind: 'state', text: 'Transfer: connected', tone: 'good' }),
  'call.transfer_failed': () => ({ kind: 'state', text: 'Transfer: not reached', tone: 'warn' }),
  'call.recording_saved': () => ({ kind: 'state', text: 'Recording saved' }),
  'call.recording_failed': () => ({ kind: 'state', text: 'Recording lost', tone: 'bad' }),
  'call.recording_stored': (d) => ({ kind: 'state', text: 'Recording stored', note: size(d.file.bytes) }),
  'call.recording_not_stored': (d) => ({ kind: 'state', text: 'Recording stays with the carrier', note: words(d.because), tone: 'warn' }),
  'call.recording_removed': (d) => ({ kind: 'state', text: 'Recording removed', note: words(d.because) }),
  'call.cost_recorded': (d) => ({ kind: 'state', text: `Cost: ${(d.cost.amount_micros / 1e6).toFixed(4)} ${d.cost.currency}` }),
  'call.metadata_changed': () => ({ kind: 'state', text: 'Metadata replaced' }),
  'call.carrier_event_received': (d, event) => ({
    kind: 'carrier', text: `${d.provider}: ${d.event_type}`, ms: new Date(event.recorded_at) - new Date(d.occurred_at), on: 'on its way',
    note: d.disposition === 'applied' ? '' : words(d.disposition), faint: d.disposition === 'noted', raw: d.raw ?? event.data,
  }),
};
const COMMANDS = {
  'call.dial_started': 'dial', 'call.answer_requested': 'answer', 'call.reject_requested': 'reject', 'call.hangup_requested': 'hang up',
  'call.transfer_requested': 'transfer', 'call.dtmf_requested': 'send keys', 'call.recording_requested': 'record', 'call.speech_requested': 'speak',
  'call.gather_requested': 'speak and take keys',
};
const SETTLED = ['call.command_accepted', 'call.command_failed', 'call.dial_accepted'];

export function steps({ events, session, deliveries, menus }) {
  const settled = new Map(events.filter((event) => SETTLED.includes(event.type)).map((event) => [event.data.effect_id, event]));
  const all = [
    ...events.flatMap((event) => ofCall(event, settled)),
    ...(session?.events ?? []).flatMap((event) => ofMenu(event, menus)),
    ...deliveries.flatMap(ofDelivery),
  ];
  // in the order they were recorded; what was told to others stands where they had it
  return all.sort((a, b) => a.order - b.order || (a.position ?? Infinity) - (b.position ?? Infinity));
}

function ofCall(event, settled) {
  const base = { key: event.id, at: event.recorded_at, order: Date.parse(event.recorded_at), position: event.position, raw: event };
  const told = TELL[event.type]?.(event.data, event);
  const made = told ? [{ ...base, ...told }] : [];
  const command = COMMANDS[event.type];
  if (!command) return made;
  const end = settled.get(event.data.effect_id);
  const failed = end?.type === 'call.command_failed';
  return [...made, {
    ...base,
    key: `${event.id}-command`,
    kind: 'command',
    text: `${command}${event.type === 'call.transfer_requested' ? ` to ${party(event.data.to)}` : ''}`,
    ms: end && new Date(end.data.at) - Date.parse(event.recorded_at),
    on: 'until the carrier took it',
    note: failed ? `refused: ${end.data.code}` : !end ? 'not answered yet' : end.data.attempts > 1 ? `${end.data.attempts} attempts` : '',
    tone: failed ? 'bad' : end ? '' : 'warn',
    raw: end ? [event, end] : event,
  }];
}

function ofMenu(event, menus) {
  const d = event.data;
  const menuId = typeId('ivrm', d.menu);
  const name = menus.get(menuId)?.name ?? 'a menu';
  const base = { key: event.id, at: event.recorded_at, order: Date.parse(event.recorded_at), position: event.position, raw: event, kind: 'menu', href: d.menu && link('ivr', menuId) };
  switch (event.type) {
    case 'ivr_session.menu_entered':
      return [{ ...base, text: `Enters ${name}`, note: d.open === false ? 'closed now' : '' }];
    case 'ivr_session.step_taken': {
      const matched = d.heard === 'matched';
      const what = d.heard === 'silence' ? 'Silence' : `Key ${d.matched ?? d.input ?? '•'.repeat(d.length ?? 1)}`;
      return [{ ...base, text: `${what}: ${matched ? words(d.action) : words(d.heard)}`, note: name, ms: d.elapsed_ms, on: 'to choose', tone: matched ? '' : 'warn' }];
    }
    case 'ivr_session.collected':
      return [{ ...base, text: `Collected ${d.name ?? 'digits'}` }];
    case 'ivr_session.webhook_answered':
      return [{ ...base, text: 'Your webhook said what comes next', ms: d.latency_ms, on: 'to answer' }];
    case 'ivr_session.transfer_failed':
      return [{ ...base, text: 'The transfer out of the menu failed', tone: 'warn' }];
    case 'ivr_session.ended':
      return [{ ...base, text: `Leaves the menus: ${words(d.cause)}`, note: d.outcome ? words(d.outcome.action) : '' }];
    default:
      return [];
  }
}

function ofDelivery(delivery) {
  const common = { kind: 'webhook', href: link('webhooks', 'deliveries', delivery.id), raw: delivery };
  const host = hostOf(delivery.url);
  if (!delivery.attempts.length) {
    return [{ ...common, key: delivery.id, at: delivery.created_at, order: Date.parse(delivery.created_at), text: `${delivery.event} to ${host}`, note: delivery.status, tone: 'warn' }];
  }
  return delivery.attempts.map((attempt) => ({
    ...common,
    key: attempt.id,
    at: attempt.created_at,
    order: Date.parse(attempt.created_at),
    text: `${delivery.event} to ${host}`,
    ms: attempt.latency_ms,
    on: 'to answer',
    note: `${attempt.status_code ?? attempt.error}${attempt.attempt_number > 1 ? `, attempt ${attempt.attempt_number}` : ''}`,
    tone: attempt.error ? 'bad' : 'good',
  }));
}

export function hostOf(url) {
  try {
    return new URL(url).host;
  } catch {
    return url;
  }
}
