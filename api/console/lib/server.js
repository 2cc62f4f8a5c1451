// Whether the node answers. While it does not, it is asked again and again, and everybody is told when it does.
import { store } from './store.js';

export const reachable = store(true);
// counts up each time the node is back
export const returns = store(0);

let asking = false;

export function lost() {
  reachable.set(false);
  if (!asking) ask(500);
}

function ask(pause) {
  asking = true;
  setTimeout(async () => {
    try {
      const answer = await fetch('/healthz', { cache: 'no-store', signal: AbortSignal.timeout(3000) });
      if (answer.ok) {
        asking = false;
        reachable.set(true);
        returns.set(returns.get() + 1);
        return;
      }
    } catch {
      // not yet
    }
    ask(Math.min(pause * 1.5, 5000));
  }, pause);
}
