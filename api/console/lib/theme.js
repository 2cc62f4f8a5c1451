// Light, dark, or as the system has it.
import { store } from './store.js';

const PLACE = 'voxledger.theme';
const ORDER = ['system', 'light', 'dark'];

function kept() {
  const theme = localStorage.getItem(PLACE);
  return ORDER.includes(theme) ? theme : 'system';
}

export const theme = store(kept());

function apply(name) {
  if (name === 'system') document.documentElement.removeAttribute('data-theme');
  else document.documentElement.dataset.theme = name;
}

apply(theme.get());
theme.watch((name) => {
  localStorage.setItem(PLACE, name);
  apply(name);
});

export const nextTheme = () => theme.set(ORDER[(ORDER.indexOf(theme.get()) + 1) % ORDER.length]);
