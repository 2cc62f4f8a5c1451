// Events name things by UUID, the API by TypeID: the same 128 bits in base32 (https://github.com/jetify-com/typeid).
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

export function typeId(prefix, uuid) {
  if (!/^[0-9a-f-]{36}$/.test(uuid ?? '')) return uuid;
  let value = BigInt(`0x${uuid.replaceAll('-', '')}`);
  let text = '';
  for (let i = 0; i < 26; i += 1) {
    text = ALPHABET[Number(value & 31n)] + text;
    value >>= 5n;
  }
  return `${prefix}_${text}`;
}

export function uuidOf(id) {
  const digits = id.slice(id.indexOf('_') + 1);
  const value = [...digits].reduce((sum, digit) => (sum << 5n) | BigInt(ALPHABET.indexOf(digit)), 0n);
  const hex = value.toString(16).padStart(32, '0');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

const PREFIXES = {
  call: 'call', ivr_menu: 'ivrm', ivr_session: 'ivrs', number: 'num', api_key: 'key', user: 'usr', client: 'cli',
  conversation: 'conv', customer: 'cus', agent: 'agt', tool: 'tool', webhook_endpoint: 'whe', delivery: 'whd', webhook_delivery: 'whd',
};

// The screen of what a stream is about, if there is one: `call-0190…` → ['calls', 'call_…'].
export function placeOf(stream) {
  const cut = (stream ?? '').indexOf('-');
  if (cut < 0) return null;
  const [category, uuid] = [stream.slice(0, cut), stream.slice(cut + 1)];
  return screenOf(PREFIXES[category] && typeId(PREFIXES[category], uuid));
}

const SCREENS = {
  call: ['calls'], ivrm: ['ivr'], ivrs: ['ivr', 'sessions'], whe: ['webhooks'], whd: ['webhooks', 'deliveries'], key: ['keys'],
  conv: ['conversations'], agt: ['agents'], cus: ['customers'],
};

export function screenOf(id) {
  const place = SCREENS[(id ?? '').split('_')[0]];
  return place ? [...place, id] : null;
}
