// Data of a screen: loaded, kept while it is loaded again, loaded anew when the node is back.
import { useState, useEffect, useRef, useCallback } from './html.js';
import { useStore } from './store.js';
import { returns } from './server.js';
import { Problem } from './api.js';

// `load(signal)` runs again whenever one of `inputs` changes, and every `every` ms.
export function useLoad(load, inputs, { every = 0 } = {}) {
  const [state, setState] = useState({ data: undefined, error: null, loading: true });
  const [turn, setTurn] = useState(0);
  const back = useStore(returns);
  const latest = useRef(load);
  latest.current = load;
  const identity = JSON.stringify(inputs);
  const shown = useRef(identity);

  useEffect(() => {
    const abort = new AbortController();
    const anew = shown.current !== identity;
    shown.current = identity;
    setState((old) => ({ data: anew ? undefined : old.data, error: anew ? null : old.error, loading: true }));
    latest.current(abort.signal).then(
      (data) => abort.signal.aborted || setState({ data, error: null, loading: false }),
      (error) => {
        if (abort.signal.aborted || error.name === 'AbortError') return;
        if (!(error instanceof Problem)) console.error(error);
        setState((old) => ({ ...old, error, loading: false }));
      },
    );
    return () => abort.abort();
  }, [identity, turn, back]);

  useEffect(() => {
    if (!every) return undefined;
    const timer = setInterval(() => document.hidden || setTurn((n) => n + 1), every);
    return () => clearInterval(timer);
  }, [every]);

  const reload = useCallback(() => setTurn((n) => n + 1), []);
  const change = useCallback((how) => setState((old) => ({ ...old, data: how(old.data) })), []);
  return { ...state, reload, change };
}

// A list, page by page.
export function useList(fetchPage, inputs, options) {
  const first = useLoad((signal) => fetchPage(undefined, signal), inputs, options);
  const [more, setMore] = useState({ items: [], cursor: undefined, of: null });
  const extra = more.of === first.data ? more : { items: [], cursor: undefined };
  const cursor = extra.of ? extra.cursor : first.data?.meta.next_cursor;
  const next = async () => {
    const { data, meta } = await fetchPage(cursor);
    setMore({ items: [...extra.items, ...data], cursor: meta.next_cursor, of: first.data });
  };
  const items = first.data && [...first.data.data, ...extra.items];
  return { ...first, items, more: cursor ? next : null };
}

// Redraws every `ms`; answers the time.
export function useNow(ms = 1000) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), ms);
    return () => clearInterval(timer);
  }, [ms]);
  return now;
}

// Runs `work` at most once in `ms`, and once more after the last call.
export function throttled(work, ms) {
  let timer = null;
  let again = false;
  const run = () => {
    work();
    timer = setTimeout(() => {
      timer = null;
      if (again) {
        again = false;
        run();
      }
    }, ms);
  };
  return () => {
    if (timer) again = true;
    else run();
  };
}
