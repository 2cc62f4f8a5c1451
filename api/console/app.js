// The console: a screen for each address, behind a sign-in.
import { html, render, useEffect, Component } from './lib/html.js';
import { useStore } from './lib/store.js';
import { useRoute } from './lib/router.js';
import { credentials, me, notice } from './lib/session.js';
import { get } from './lib/api.js';
import { settled } from './lib/tabs.js';
import { returns } from './lib/server.js';
import './lib/theme.js';
import { places } from './lib/keyboard.js';
import { Down, Shell } from './ui/shell.js';
import { SignIn } from './screens/sign_in.js';
import { SCREENS } from './screens/index.js';
import { Empty, Page } from './ui/parts.js';

function App() {
  const session = useStore(credentials);
  const who = useStore(me);
  const signedIn = Boolean(session);
  const back = useStore(returns);
  useEffect(() => {
    if (!signedIn || me.get()) return;
    get('/auth/me').then((answer) => {
      me.set(answer);
      notice.set('');
    }, () => {});
  }, [signedIn, back]);
  const asked = useStore(settled);
  if (!signedIn && asked) return html`<${SignIn} />`;
  if (!who) return html`<${Down} /><p class="loading">Voxledger</p>`;
  return html`<${Shell}><${Screen} /><//>`;
}

function Screen() {
  const { path, query } = useRoute();
  const [name = places()[0][1], ...rest] = path;
  const shown = SCREENS[name];
  const address = path.slice(0, 3).join('/');
  useEffect(() => {
    document.querySelector('main h1')?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [address]);
  if (!shown) return html`<${Page} title="Nothing here"><${Empty}>There is no such screen.<//><//>`;
  return html`<${Guard} key=${name}><${shown} path=${rest} query=${query} /><//>`;
}

// A screen that fails does not take the others with it.
class Guard extends Component {
  constructor() {
    super();
    this.state = { error: null };
  }

  componentDidCatch(error) {
    console.error(error);
    this.setState({ error });
  }

  render() {
    if (!this.state.error) return this.props.children;
    return html`<div class="box bad" role="alert"><strong>This screen failed.</strong><p>${this.state.error.message}</p>
      <button type="button" onClick=${() => this.setState({ error: null })}>Show it again</button></div>`;
  }
}

const place = document.getElementById('app');
place.textContent = '';
render(html`<${App} />`, place);
