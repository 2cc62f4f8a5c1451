// What every component is made of: Preact, its hooks, and templates.
import { h, render, Fragment, Component } from '../vendor/preact.mjs';
import htm from '../vendor/htm.mjs';

export const html = htm.bind(h);
export { render, Fragment, Component };
export { useState, useEffect, useLayoutEffect, useMemo, useRef, useCallback } from '../vendor/hooks.mjs';
