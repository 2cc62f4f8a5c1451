// The files of a call: where each is, and a player for what can be heard.
import { html } from '../../lib/html.js';
import { moment, outside, size, span, words } from '../../lib/format.js';
import { Badge, Facts, Section } from '../../ui/parts.js';

export const Files = ({ files }) => files?.length > 0 && html`<${Section} title="Files">
  ${files.map((file) => html`<${File} key=${`${file.kind}${file.created_at}`} file=${file} />`)}
<//>`;

function File({ file }) {
  const url = near(file.url);
  const heard = file.state === 'stored' && file.content_type?.startsWith('audio/') && url;
  return html`<div class="file">
    ${heard && html`<audio controls preload="none" src=${url} aria-label="Recording of the call"></audio>`}
    <${Facts} rows=${[
      ['File', html`${words(file.kind)} <${Badge} is=${file.state} />`],
      file.failure && ['Not stored', words(file.failure)],
      file.content_type && ['Type', `${file.content_type}${channels(file.channels)}`],
      file.bytes !== null && ['Size', size(file.bytes)],
      file.duration_ms !== null && ['Length', span(file.duration_ms)],
      file.sha256 && ['SHA-256', html`<code class="hash">${file.sha256}</code>`],
      url && ['Address', html`<a href=${url} rel="noreferrer">download</a>${file.url_expires_at && ` until ${moment(file.url_expires_at)}`}`],
    ]} />
  </div>`;
}

const channels = (count) => (count ? `, ${count === 2 ? 'a channel for each side' : 'both sides in one channel'}` : '');

// the node's own URLs are opened where this page is: its name may differ from the one the node knows of itself
function near(url) {
  if (!URL.canParse(url ?? '')) return null;
  const { pathname } = new URL(url);
  return pathname.startsWith('/api/v1/objects/') ? pathname : outside(url);
}
