// The screens by the first part of their address.
import { Live } from './live.js';
import { Calls } from './calls.js';
import { Webhooks } from './webhooks.js';

export const SCREENS = {
  live: Live,
  calls: Calls,
  webhooks: Webhooks,
};
