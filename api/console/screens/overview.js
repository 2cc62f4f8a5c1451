// How it went: figures and charts of a window of time.
import { html, useMemo } from '../lib/html.js';
import { get, page } from '../lib/api.js';
import { useLoad } from '../lib/load.js';
import { link, setQuery } from '../lib/router.js';
import { count, millis, money, moment, percent, span, words } from '../lib/format.js';
import { Badge, Fault, Loading, NotAvailable, Page, Section, Shown } from '../ui/parts.js';
import { Bars } from '../ui/bars.js';
import { Chart } from '../ui/chart.js';
import { Csv } from '../ui/download.js';
import { Choice } from '../ui/form.js';
import { Table } from '../ui/table.js';
import { LIVE } from './calls/actions.js';
import { Parties } from './calls/parties.js';

const HOUR = 3600000;
const WINDOWS = { today: 'today', day: '24 hours', week: '7 days', month: '30 days' };

// Begins of hours only, so that the same window is the same question.
function windowOf(name) {
  const hour = Math.floor(Date.now() / HOUR) * HOUR;
  const midnight = new Date(new Date(hour).toDateString()).getTime();
  const from = { today: midnight, day: hour - 23 * HOUR, week: hour - 167 * HOUR, month: hour - 719 * HOUR }[name];
  return { from: new Date(from).toISOString(), interval: name === 'today' || name === 'day' ? 'hour' : 'day' };
}

export function Overview({ query }) {
  const name = query.window in WINDOWS ? query.window : 'today';
  const asked = windowOf(name);
  const figures = useLoad((signal) => get('/analytics/overview', { from: asked.from }, signal), [asked], { every: 30000 });
  const choose = html`<${Choice} label="Window" value=${name} onInput=${(window) => setQuery({ window })} options=${Object.entries(WINDOWS)} />`;
  const data = figures.data;
  return html`<${Page} title="Overview" actions=${choose}>
    ${data ? html`<${Figures} of=${data} />` : figures.error ? (figures.error.unavailable ? html`<${NotAvailable} what="Analytics" />` : html`<${Fault} error=${figures.error} retry=${figures.reload} />`) : html`<${Loading} />`}
    ${data && html`<${Charts} window=${asked} figures=${data} />`}
    <${Latest} />
  <//>`;
}

const Figure = ({ label, value, note }) => html`<div class="figure"><dt>${label}</dt><dd>${value}</dd>${note && html`<dd class="note">${note}</dd>`}</div>`;

function Figures({ of: { calls, duration_ms: length, ivr, conversations, webhooks, cost } }) {
  return html`<dl class="figures">
    <${Figure} label="Calls" value=${count(calls.total)} note="${count(calls.inbound)} in, ${count(calls.outbound)} out" />
    <${Figure} label="Answered" value=${percent(calls.answer_rate)} note="${count(calls.answered)} calls" />
    <${Figure} label="Length, median" value=${span(length?.p50)} note="p95 ${span(length?.p95)}" />
    <${Figure} label="Failed" value=${count(calls.failed)} note="of ${count(calls.ended + calls.failed)} over" />
    <${Figure} label="Menus" value=${count(ivr?.entries)} note="${count(ivr?.completed)} completed, ${count(ivr?.abandoned)} left" />
    <${Figure} label="Conversations" value=${count(conversations.started)} note="${count(conversations.messages)} messages" />
    <${Figure} label="Tokens" value=${count(conversations.tokens_input + conversations.tokens_output)} note="${count(conversations.tokens_output)} written" />
    <${Figure} label="Sentiment" value=${mood(conversations.sentiment)} note="from −1 to 1" />
    <${Figure} label="Webhooks" value=${percent(webhooks?.success_rate)} note="${count(webhooks?.attempts)} attempts, p95 ${millis(webhooks?.latency_ms?.p95)}" />
    <${Figure} label="Cost" value=${cost?.length ? money(cost[0]) : '–'} note=${cost?.slice(1).map(money).join(', ')} />
  </dl>`;
}

// the sign is told: 0.3 alone could be anything
const mood = (value) => (value === null ? '–' : `${value > 0 ? '+' : value < 0 ? '−' : ''}${Math.abs(value).toFixed(2)}`);

async function series(metric, window, signal, more = {}) {
  return get('/analytics/timeseries', { metric, from: window.from, interval: window.interval, ...more }, signal);
}

function Charts({ window, figures }) {
  const loaded = useLoad(async (signal) => {
    const names = ['calls', 'answered', 'duration_ms_p50', 'duration_ms_p95', 'webhook_attempts', 'webhook_failures', 'conversations', 'tokens'];
    const all = await Promise.all(names.map((name) => series(name, window, signal)));
    return Object.fromEntries(names.map((name, i) => [name, all[i]]));
  }, [window], { every: 60000 });
  const drawn = useMemo(() => loaded.data && draw(loaded.data), [loaded.data]);
  const ends = figures.end_reasons.map((end) => ({ label: words(end.reason), value: end.count, css: end.fault })).sort((a, b) => b.value - a.value);
  const csv = (metric) => html`<${Csv} path="/analytics/timeseries" query=${{ metric, from: window.from, interval: window.interval }} name="${metric}.csv" />`;
  return html`<div class="columns">
    <${Section} title="Calls" actions=${csv('calls')}><${Shown} of=${loaded}>${() => html`<${Chart} label="Calls over time" times=${drawn.times} series=${drawn.calls} format=${whole} />`}<//><//>
    <${Section} title="Answer rate" actions=${csv('answered')}><${Shown} of=${loaded}>${() => html`<${Chart} label="Answer rate over time" times=${drawn.times} series=${drawn.rate} format=${percent} />`}<//><//>
    <${Section} title="Length of calls" actions=${csv('duration_ms_p95')}><${Shown} of=${loaded}>${() => html`<${Chart} label="Length of calls over time" times=${drawn.times} series=${drawn.length} format=${span} />`}<//><//>
    <${Section} title="Webhook success" actions=${csv('webhook_failures')}><${Shown} of=${loaded}>${() => html`<${Chart} label="Webhook success over time" times=${drawn.times} series=${drawn.webhooks} format=${percent} />`}<//><//>
    <${Section} title="Conversations" actions=${csv('conversations')}><${Shown} of=${loaded}>${() => html`<${Chart} label="Conversations over time" times=${drawn.times} series=${drawn.conversations} format=${whole} />`}<//><//>
    <${Section} title="Tokens" actions=${csv('tokens')}><${Shown} of=${loaded}>${() => html`<${Chart} label="Tokens over time" times=${drawn.times} series=${drawn.tokens} format=${whole} />`}<//><//>
    <${Section} title="Why calls ended" actions=${html`<span class="hint">green: nobody’s fault, amber: configuration, red: carrier or node</span>`}><${Bars} rows=${ends} empty="No call ended." /><//>
  </div>`;
}

const whole = (n) => (Number.isInteger(n) ? count(n) : '');

function draw(data) {
  const values = (name) => data[name].map((point) => point.value);
  const ratio = (part, all) => part.map((n, i) => (all[i] ? n / all[i] : null));
  const attempts = values('webhook_attempts');
  return {
    times: data.calls.map((point) => Date.parse(point.bucket) / 1000),
    calls: [{ label: 'Calls', values: values('calls'), colour: 'blue', bars: true }, { label: 'Answered', values: values('answered'), colour: 'accent', bars: true }],
    rate: [{ label: 'Answered', values: ratio(values('answered'), values('calls')), colour: 'accent' }],
    length: [{ label: 'p50', values: values('duration_ms_p50'), colour: 'accent' }, { label: 'p95', values: values('duration_ms_p95'), colour: 'violet' }],
    webhooks: [{ label: 'Success', values: ratio(attempts.map((n, i) => n - values('webhook_failures')[i]), attempts), colour: 'good' }],
    conversations: [{ label: 'Conversations', values: values('conversations'), colour: 'violet', bars: true }],
    tokens: [{ label: 'Tokens', values: values('tokens'), colour: 'accent', bars: true }],
  };
}

// What goes on now, and what was last: true even where analytics are missing.
function Latest() {
  const now = useLoad(async (signal) => {
    const [live, latest] = await Promise.all([
      page('/calls', { status: LIVE.join(','), limit: 1, include_total: true }, signal),
      page('/calls', { limit: 8 }, signal),
    ]);
    return { going: live.meta.total ?? live.data.length, latest: latest.data };
  }, [], { every: 5000 });
  return html`<${Section} title="Latest calls" actions=${html`<a href=${link('live')}>${now.data ? `${count(now.data.going)} going on` : ''}</a>`}>
    <${Shown} of=${now}>${({ latest }) => html`<${Table} label="Latest calls" rows=${latest} href=${(call) => link('calls', call.id)} columns=${[
      { name: 'at', label: 'When', cell: (call) => html`<a class="plain" href=${link('calls', call.id)}>${moment(call.created_at)}</a>` },
      { name: 'who', label: 'Parties', cell: (call) => html`<${Parties} call=${call} />` },
      { name: 'status', label: 'Status', cell: (call) => html`<${Badge} is=${call.status} />` },
      { name: 'why', label: 'Ended by', wide: true, cell: (call) => words(call.end_reason ?? '') },
      { name: 'length', label: 'Length', num: true, cell: (call) => span(call.duration_ms) },
    ]} empty="There was no call yet." />`}<//>
  <//>`;
}
