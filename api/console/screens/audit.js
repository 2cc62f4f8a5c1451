// Who did what, what exactly was recorded, and the proof of it.
import { html } from '../lib/html.js';
import { link } from '../lib/router.js';
import { Page, Tabs } from '../ui/parts.js';
import { AuditLog } from './audit/log.js';
import { Explorer } from './audit/explorer.js';
import { Verify } from './audit/verify.js';

const PARTS = { log: AuditLog, explorer: Explorer, verify: Verify };

export function Audit({ path, query }) {
  const part = path[0] in PARTS ? path[0] : 'log';
  return html`<${Page} title="Audit">
    <${Tabs} current=${part} tabs=${[['log', 'Log', link('audit')], ['explorer', 'Event explorer', link('audit', 'explorer')], ['verify', 'Verify', link('audit', 'verify')]]} />
    <${PARTS[part]} query=${query} />
  <//>`;
}
