// What is around every screen: where one can go, who one is, whether the node answers.
import { html, useEffect, useRef } from '../lib/html.js';
import { useStore } from '../lib/store.js';
import { useRoute, link } from '../lib/router.js';
import { helpShown, places } from '../lib/keyboard.js';
import { theme, nextTheme } from '../lib/theme.js';
import { me, leave, credentials } from '../lib/session.js';
import { reachable } from '../lib/server.js';
import { tellLeft } from '../lib/tabs.js';
import { post } from '../lib/api.js';
import { Dialog } from './dialog.js';
import { Toasts } from './toast.js';

async function signOut() {
  const session = credentials.get();
  if (session?.kind === 'user') await post('/auth/revoke', { refresh_token: session.refresh }).catch(() => {});
  leave();
  tellLeft(session);
  // whoever comes next begins at the beginning
  location.hash = '';
}

export const Down = () => !useStore(reachable)
  && html`<p class="down" role="alert">The node does not answer. What you see may be out of date; it goes on by itself.</p>`;

export function Shell({ children }) {
  const { path } = useRoute();
  const here = path[0] || places()[0][1];
  const who = useStore(me);
  const shade = useStore(theme);
  const nav = useRef(null);
  // on a phone there are more places than fit
  useEffect(() => nav.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' }), [here]);
  return html`
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById('main').focus(); }}>Skip to content</a>
    <div class="shell">
      <aside>
        <a class="brand" href=${link('overview')}><${Logo} />Voxledger</a>
        <nav aria-label="Screens" ref=${nav}>${places().map(([key, place, label]) => html`
          <a key=${place} href=${link(place)} aria-current=${here === place ? 'page' : undefined} title="g ${key}">${label}<kbd aria-hidden="true">g ${key}</kbd></a>`)}
        </nav>
        <footer>
          <p class="who" title=${who?.client}>${who?.user?.email ?? who?.api_key?.name ?? ''}<span>${who?.role ?? 'API key'}</span></p>
          <div class="actions">
            <button type="button" class="small quiet" onClick=${nextTheme} aria-label="Theme: ${shade}">${{ system: '◐', light: '☀', dark: '☾' }[shade]} ${shade}</button>
            <button type="button" class="small quiet" onClick=${() => helpShown.set(true)} aria-label="Keys">?</button>
            <button type="button" class="small quiet" onClick=${signOut}>Sign out</button>
          </div>
        </footer>
      </aside>
      <main id="main" tabindex="-1"><${Down} />${children}</main>
    </div>
    <${Help} /><${Toasts} />`;
}

export const Logo = () => html`<svg class="logo" viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="7" />
  <path d="M7 16h3m3-7v14m6-18v22m6-14v6" /></svg>`;

function Help() {
  if (!useStore(helpShown)) return null;
  const rows = [
    ...places().map(([key, , label]) => [`g ${key}`, label]),
    ['/', 'Search or filter'],
    ['↑ ↓', 'Move in a table'],
    ['Enter', 'Open the row'],
    ['Esc', 'Leave a field, close a dialog'],
    ['?', 'This help'],
  ];
  return html`<${Dialog} title="Keys" onClose=${() => helpShown.set(false)}>
    <dl class="keys">${rows.map(([key, label]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${label}</dd></div>`)}</dl>
  <//>`;
}
