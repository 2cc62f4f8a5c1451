// Proofs over the log, checked here and not by the node that made them: RFC 9162 §2.1.3.2 and §2.1.4.2, signed notes
// (https://c2sp.org/signed-note), and the layout of an event's leaf.
import { uuidOf } from './type_id.js';

export const canVerify = () => Boolean(globalThis.crypto?.subtle);

const bytesOf = (base64) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
const utf8 = (text) => new TextEncoder().encode(text);
const hash = async (...parts) => new Uint8Array(await crypto.subtle.digest('SHA-256', joined(parts)));
const same = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);

function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const node = (left, right) => hash(Uint8Array.of(1), left, right);

// Climbs from a leaf, or an older tree, to the roots.
async function climb(index, size, first, proof) {
  let [at, last] = [BigInt(index), BigInt(size) - 1n];
  let [older, newer] = [first, first];
  for (const sibling of proof) {
    if (last === 0n) return null;
    if (at & 1n || at === last) {
      older = await node(sibling, older);
      newer = await node(sibling, newer);
      while (!(at & 1n) && at !== 0n) {
        at >>= 1n;
        last >>= 1n;
      }
    } else {
      newer = await node(newer, sibling);
    }
    at >>= 1n;
    last >>= 1n;
  }
  return last === 0n ? { older, newer } : null;
}

export async function verifyInclusion(leaf, index, size, hashes, root) {
  if (index >= size) return false;
  const tops = await climb(index, size, leaf, hashes.map(bytesOf));
  return Boolean(tops) && same(tops.newer, bytesOf(root));
}

export async function verifyConsistency(old, size, hashes, oldRoot, root) {
  if (old === 0 || old > size) return false;
  if (old === size) return hashes.length === 0 && oldRoot === root;
  const proof = hashes.map(bytesOf);
  const whole = (BigInt(old) & (BigInt(old) - 1n)) === 0n;
  const first = whole ? bytesOf(oldRoot) : proof.shift();
  if (!first) return false;
  // the part of the way that is the same for both
  let [at, last] = [BigInt(old) - 1n, BigInt(size) - 1n];
  while (at & 1n) {
    at >>= 1n;
    last >>= 1n;
  }
  const tops = await climb(at, last + 1n, first, proof);
  return Boolean(tops) && same(tops.older, bytesOf(oldRoot)) && same(tops.newer, bytesOf(root));
}

function number(value, bytes) {
  const out = new Uint8Array(bytes);
  let rest = BigInt(value);
  for (let i = bytes - 1; i >= 0; i -= 1) {
    out[i] = Number(rest & 255n);
    rest >>= 8n;
  }
  return out;
}

const text = (value) => joined([number(utf8(value).length, 4), utf8(value)]);
const uuid = (value) => Uint8Array.from(value.replaceAll('-', '').match(/../g), (pair) => parseInt(pair, 16));

// microseconds since 1970 of an RFC 3339 time; Date knows milliseconds only
function micros(iso) {
  const [, seconds, fraction = ''] = /^(.*?)(?:\.(\d+))?Z$/.exec(iso);
  return BigInt(Date.parse(`${seconds}Z`)) * 1000n + BigInt(fraction.padEnd(6, '0').slice(0, 6));
}

// The leaf of an event as the audit API shows it.
export const leafOf = (log, event) => hash(
  Uint8Array.of(0), text('voxledger/entry/v1'), uuid(log), number(event.position, 8), text(event.stream), number(event.version, 8), uuid(uuidOf(event.id)),
  text(event.type), number(event.schema, 2), number(micros(event.recorded_at), 8), uuid(uuidOf(event.client_id)), bytesOf(event.metadata_hash), bytesOf(event.payload_hash),
);

// {origin, log, size, root} of a signed note, when its signature is by `key`; throws otherwise.
export async function openNote(note, key) {
  const end = note.indexOf('\n\n') + 1;
  const signed = note.slice(0, end);
  const [origin, size, root] = signed.split('\n');
  const [name, id, encoded] = splitKey(key);
  const signature = note.slice(end + 1).split('\n').filter((line) => line.startsWith(`— ${name} `)).map((line) => bytesOf(line.split(' ')[2]))
    .find((bytes) => [...bytes.slice(0, 4)].map((byte) => byte.toString(16).padStart(2, '0')).join('') === id);
  if (!signature) throw new Error('the head is not signed by this key');
  const verifier = await crypto.subtle.importKey('raw', bytesOf(encoded).slice(1), 'Ed25519', false, ['verify']);
  if (!(await crypto.subtle.verify('Ed25519', verifier, signature.slice(4), utf8(signed)))) throw new Error('the signature does not fit the head');
  return { origin, log: origin.split('/').at(-1), size: Number(size), root };
}

// name+hash+base64, where the base64 may hold a plus of its own
function splitKey(key) {
  const [, name, id, encoded] = /^([^+]*)\+([0-9a-f]{8})\+(.+)$/.exec(key) ?? [];
  if (!encoded) throw new Error('that is no verifier key');
  return [name, id, encoded];
}
