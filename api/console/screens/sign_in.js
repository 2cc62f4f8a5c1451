// Who are you? An API key, or an e-mail address and a password.
import { html, useState } from '../lib/html.js';
import { useStore } from '../lib/store.js';
import { logIn, signInWith } from '../lib/api.js';
import { me, notice } from '../lib/session.js';
import { Failure, Text, useForm } from '../ui/form.js';
import { Down, Logo } from '../ui/shell.js';

export function SignIn() {
  const why = useStore(notice);
  const [way, setWay] = useState('key');
  const [key, setKey] = useState('');
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const form = useForm(async () => {
    if (way === 'key') me.set(await signInWith(key.trim()));
    else await logIn(email, password);
    notice.set('');
  });
  return html`<main class="sign-in">
    <${Down} />
    <form class="panel" onSubmit=${form.submit} aria-label="Sign in">
      <h1><${Logo} />Voxledger</h1>
      ${why && html`<p class="box warn" role="status">${why}</p>`}
      <div class="tabs" role="group" aria-label="Sign in by">
        <button type="button" aria-pressed=${way === 'key'} onClick=${() => setWay('key')}>API key</button>
        <button type="button" aria-pressed=${way === 'user'} onClick=${() => setWay('user')}>E-mail</button>
      </div>
      ${way === 'key'
        ? html`<${Text} key="key" label="API key" name="key" type="password" value=${key} onInput=${setKey} required autocomplete="off"
            spellcheck="false" placeholder="vx_…" hint="Kept in this tab until it is closed, and sent to this node alone." />`
        : html`<${Text} key="email" label="E-mail" name="email" type="email" value=${email} onInput=${setEmail} required autocomplete="username" />
          <${Text} key="password" label="Password" name="password" type="password" value=${password} onInput=${setPassword} required autocomplete="current-password" />`}
      <${Failure} form=${form} />
      <button class="primary" disabled=${form.busy}>Sign in</button>
    </form>
  </main>`;
}
