// Viewers see that there is a number, and whose it may be, but not which: in every answer, so that no screen, no raw
// event and no copied JSON shows more than the next one. What a role may read over the API is for the API to say.
import { me } from './session.js';

// E.164 in a text, but no part of a hash in base64; and the user of a SIP address
const NUMBER = /(?<![\w/+=])\+\d{7,15}(?![\w/+=])/g;
const SIP = /\b(sips?:)[^@\s"]+@/g;

export const masks = () => me.get()?.role === 'viewer';

const hidden = (text) => text
  .replace(NUMBER, (number) => `${number.slice(0, 3)}•••${number.slice(-2)}`)
  .replace(SIP, '$1•••@');

function walk(value) {
  if (typeof value === 'string') return hidden(value);
  if (Array.isArray(value)) return value.map(walk);
  if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, walk(one)]));
  return value;
}

export const shownTo = (answer) => (masks() ? walk(answer) : answer);
