// The screens by the first part of their address.
import { Overview } from './overview.js';
import { Live } from './live.js';
import { Calls } from './calls.js';
import { Ivr } from './ivr.js';
import { Webhooks } from './webhooks.js';
import { Conversations } from './conversations.js';
import { Customers } from './customers.js';
import { Knowledge } from './knowledge.js';
import { Billing } from './billing.js';
import { Agents } from './agents.js';
import { Keys } from './keys.js';
import { Audit } from './audit.js';
import { System } from './system.js';

export const SCREENS = {
  overview: Overview,
  live: Live,
  calls: Calls,
  ivr: Ivr,
  webhooks: Webhooks,
  conversations: Conversations,
  customers: Customers,
  knowledge: Knowledge,
  billing: Billing,
  agents: Agents,
  keys: Keys,
  audit: Audit,
  system: System,
};
