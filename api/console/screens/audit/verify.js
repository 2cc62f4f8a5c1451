// Check the log in this browser: the signature, that it only grew since the last look, and some of its events.
import { html, useState } from '../../lib/html.js';
import { get, page } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';
import { canVerify, leafOf, openNote, verifyConsistency, verifyInclusion } from '../../lib/merkle.js';
import { count, moment } from '../../lib/format.js';
import { Act, Copy, Facts, Section, Shown } from '../../ui/parts.js';

const PLACE = 'voxledger.head';
const SAMPLES = 8;

// Heads this browser has seen, by log; they say nothing of anybody.
function seen(log) {
  try {
    return JSON.parse(localStorage.getItem(PLACE) ?? '{}')[log];
  } catch {
    return undefined;
  }
}

function remember(log, head) {
  localStorage.setItem(PLACE, JSON.stringify({ [log]: head }));
}

export function Verify() {
  const latest = useLoad((signal) => get('/audit/checkpoints/latest', {}, signal), [], { every: 15000 });
  const [steps, setSteps] = useState(null);
  const verify = async () => {
    const done = [];
    const tell = (good, words) => {
      done.push({ good, words });
      setSteps([...done]);
    };
    setSteps([]);
    try {
      await check(tell);
    } catch (error) {
      tell(false, error.message);
    }
  };
  const verdict = steps?.length && (steps.every((step) => step.good) ? 'good' : 'bad');
  return html`<${Shown} of=${latest}>${(head) => html`<${Section} title="The latest signed head" actions=${html`<${Act} tone="primary" act=${verify} disabled=${!canVerify()}>Verify now<//>`}>
    <${Facts} rows=${[
      ['Events', count(head.tree_size)], ['Signed', moment(head.sealed_at)], ['Root', html`<code>${head.root_hash}</code>`], ['Key', html`<code>${head.key}</code>`],
    ]} />
    <div class="json"><pre tabindex="0" aria-label="Signed head">${head.note}</pre><${Copy} text=${head.note} /></div>
    <p class="hint">Keep it outside of this node: with it anybody can prove later that nothing before it was changed (<code>voxledger audit verify --checkpoint</code>).</p>
    ${!canVerify() && html`<p class="box warn">This browser computes hashes on https or localhost only.</p>`}
    ${verdict && html`<div class="box ${verdict}" role="status" data-verdict=${verdict}>
      <strong>${verdict === 'good' ? 'All of it holds.' : 'Something does not hold.'}</strong>
      <ul>${steps.map((step) => html`<li key=${step.words} class=${step.good ? 'good' : 'bad'}>${step.good ? '✓' : '✗'} ${step.words}</li>`)}</ul></div>`}
  <//>`}<//>`;
}

async function check(tell) {
  const latest = await get('/audit/checkpoints/latest');
  const head = await openNote(latest.note, latest.key);
  tell(true, `the head over ${count(head.size)} events is signed by ${latest.key.split('+')[1]}`);
  await checkGrowth(head, latest.key, tell);
  await checkEvents(head, tell);
}

async function checkGrowth(head, key, tell) {
  const before = seen(head.log);
  if (before && before.key !== key) tell(false, 'the key is another than the last time');
  if (before && before.size > head.size) tell(false, `the log is shorter than the last time (${count(before.size)} events)`);
  else if (before) {
    const proof = await get('/audit/proofs/consistency', { from: before.size, to: head.size });
    const holds = await verifyConsistency(before.size, head.size, proof.hashes, before.root, head.root);
    tell(holds, `it only grew since this browser last looked, at ${count(before.size)} events`);
    if (!holds) return;
  } else tell(true, 'this browser keeps the head, to compare with the next time');
  remember(head.log, { size: head.size, root: head.root, key });
}

// Some events at random: their leaves are computed here from what the API shows.
async function checkEvents(head, tell) {
  const picks = [...Array(SAMPLES)].map(() => Math.floor(Math.random() * head.size));
  const found = await Promise.all(picks.map(async (after) => (await page('/audit/events', { after, limit: 1 })).data[0]));
  const events = [...new Map(found.filter((event) => event && event.position <= head.size).map((event) => [event.position, event])).values()];
  for (const event of events) {
    const leaf = await leafOf(head.log, event);
    const proof = await get('/audit/proofs/inclusion', { position: event.position, tree_size: head.size });
    const holds = await verifyInclusion(leaf, event.position - 1, head.size, proof.hashes, head.root);
    tell(holds, `event ${event.position} (${event.type}) is in the tree`);
  }
}
