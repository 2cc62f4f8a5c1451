// How things are written for people. Everything here makes text, never markup.
const two = (n) => String(n).padStart(2, '0');

export function clock(iso) {
  if (!iso) return '';
  const at = new Date(iso);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

export const fine = (iso) => iso && `${clock(iso)}.${String(new Date(iso).getMilliseconds()).padStart(3, '0')}`;

export function moment(iso) {
  if (!iso) return '–';
  const at = new Date(iso);
  const today = new Date().toDateString() === at.toDateString();
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return today ? clock(iso) : `${day} ${clock(iso)}`;
}

// 104 bytes, 8.2 KB, 3.1 MB
export function size(bytes) {
  if (bytes === null || bytes === undefined) return '–';
  if (bytes < 1000) return `${bytes} bytes`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

// 1:05, 2:03:09
export function span(ms) {
  if (ms === null || ms === undefined) return '–';
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export function millis(ms) {
  if (ms === null || ms === undefined) return '–';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60000 ? `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s` : span(ms);
}

export function ago(iso, now = Date.now()) {
  if (!iso) return 'never';
  const seconds = Math.round((now - new Date(iso)) / 1000);
  if (seconds < 0) return `in ${until(-seconds)}`;
  return seconds < 5 ? 'just now' : `${until(seconds)} ago`;
}

function until(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

export const count = (n) => (n === null || n === undefined ? '–' : n.toLocaleString('en-US'));
export const percent = (share) => (share === null || share === undefined ? '–' : `${(share * 100).toFixed(1)} %`);
export const words = (name) => (name ?? '').replaceAll('_', ' ');
export const money = (sum) => `${(sum.amount_micros / 1e6).toFixed(sum.amount_micros < 1e6 ? 4 : 2)} ${sum.currency}`;
// millionths of what a person wrote: 0.012 or 0,012
export const amountOf = (text) => Math.round(Number(String(text).trim().replace(',', '.')) * 1e6);
export const short = (id) => (id && id.length > 16 ? `${id.slice(0, id.indexOf('_') + 1)}…${id.slice(-6)}` : id);

// who calls, or is called
export const party = (text) => text || 'unknown';

/** An address that somebody else wrote, if it may become a link: over TLS, or on this very machine. `javascript:` and the like are none. */
export function outside(address) {
  if (!URL.canParse(address ?? '')) return null;
  const url = new URL(address);
  const local = url.protocol === 'http:' && ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname);
  return url.protocol === 'https:' || local ? url.href : null;
}
