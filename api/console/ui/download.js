// Figures as a file, for spreadsheets.
import { html } from '../lib/html.js';
import { address, open } from '../lib/api.js';
import { Act } from './parts.js';

async function fetchFile(path, query, name) {
  const answer = await open(address(path, query), { headers: { Accept: 'text/csv' } });
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await answer.blob());
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

export const Csv = ({ path, query, name }) => html`<${Act} tone="small quiet" act=${() => fetchFile(path, query, name)}>CSV<//>`;
