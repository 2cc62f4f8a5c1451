// Server-sent events over fetch, because EventSource cannot send a key
// (https://html.spec.whatwg.org/multipage/server-sent-events.html).
import { address, open, Problem } from './api.js';
import { shownTo } from './mask.js';

// Calls `onEvent({id, name, data})` until `signal` ends; comes back after a break and resumes where it was.
export async function follow(path, { onEvent, onState = () => {}, signal, from = '' }) {
  let last = from;
  let pause = 250;
  while (!signal.aborted) {
    try {
      const headers = { Accept: 'text/event-stream', ...(last && { 'Last-Event-ID': last }) };
      const answer = await open(address(path), { headers, signal, timeout: 0 });
      onState('live');
      pause = 250;
      await read(answer.body, signal, (event) => {
        if (event.id) last = event.id;
        if (event.data) onEvent({ ...event, data: shownTo(JSON.parse(event.data)) });
      });
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && [401, 403, 404].includes(error.status)) {
        onState('refused');
        return;
      }
    }
    if (signal.aborted) return;
    onState('waiting');
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(pause * 2, 5000);
  }
}

// Asks for something that is told as it comes, and calls `onEvent({name, data})` for each piece.
export async function ask(path, body, { onEvent, signal }) {
  const answer = await open(address(path), { method: 'POST', body, headers: { Accept: 'text/event-stream' }, signal, timeout: 0 });
  await read(answer.body, signal, (event) => event.data && onEvent({ ...event, data: shownTo(JSON.parse(event.data)) }));
}

async function read(body, signal, tell) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  signal.addEventListener('abort', () => reader.cancel().catch(() => {}), { once: true });
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) tell(parse(block));
  }
}

function parse(block) {
  const event = { id: '', name: 'message', data: '' };
  for (const line of block.split('\n')) {
    const [, field, value] = /^(\w*):? ?(.*)$/.exec(line) ?? [];
    if (field === 'id') event.id = value;
    if (field === 'event') event.name = value;
    if (field === 'data') event.data += (event.data && '\n') + value;
  }
  return event;
}
