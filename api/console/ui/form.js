// Forms: labelled fields, and the node's own words about what is wrong with each.
import { html, useEffect, useState, useMemo } from '../lib/html.js';
import { say } from './toast.js';

const fresh = (() => {
  let n = 0;
  return () => `f${++n}`;
})();

export function Field({ label, hint, error, children, wide }) {
  const id = useMemo(fresh, []);
  return html`<div class="field ${wide ? 'wide' : ''} ${error ? 'wrong' : ''}">
    <label for=${id}>${label}</label>
    ${children({ id, 'aria-invalid': error ? 'true' : undefined, 'aria-describedby': hint || error ? `${id}-hint` : undefined })}
    ${(hint || error) && html`<p class="hint" id="${id}-hint">${error ?? hint}</p>`}
  </div>`;
}

export const Text = ({ label, hint, error, value, onInput, wide, ...rest }) => html`<${Field} ...${{ label, hint, error, wide }}>
  ${(field) => html`<input type="text" ...${field} value=${value} onInput=${(event) => onInput(event.target.value)} ...${rest} />`}
<//>`;

export const Area = ({ label, hint, error, value, onInput, ...rest }) => html`<${Field} ...${{ label, hint, error }} wide>
  ${(field) => html`<textarea rows="3" ...${field} value=${value} onInput=${(event) => onInput(event.target.value)} ...${rest}></textarea>`}
<//>`;

export const Choice = ({ label, hint, error, value, onInput, options }) => html`<${Field} ...${{ label, hint, error }}>
  ${(field) => html`<select ...${field} value=${value} onChange=${(event) => onInput(event.target.value)}>
    ${options.map(([name, text]) => html`<option key=${name} value=${name} selected=${name === value}>${text}</option>`)}
  </select>`}
<//>`;

// A filter: takes effect with Enter, or when it is left.
export function Search({ value, onCommit, ...rest }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const commit = () => text.trim() !== value && onCommit(text.trim());
  return html`<${Text} type="search" ...${rest} value=${text} onInput=${setText} onBlur=${commit} onKeyDown=${(event) => event.key === 'Enter' && commit()} />`;
}

// Sends once at a time; `errors` holds what is wrong by field.
export function useForm(send) {
  const [state, setState] = useState({ busy: false, errors: {}, failure: null });
  const submit = async (event) => {
    event.preventDefault();
    setState({ busy: true, errors: {}, failure: null });
    try {
      await send();
      setState({ busy: false, errors: {}, failure: null });
    } catch (error) {
      const errors = Object.fromEntries((error.errors ?? []).map((fault) => [fault.field, fault.detail]));
      setState({ busy: false, errors, failure: error });
      if (!error.status) say(error.message, 'bad');
    }
  };
  return { ...state, submit };
}

export const Failure = ({ form }) => {
  if (!form.failure) return null;
  const faults = Object.entries(form.errors);
  return html`<div class="box bad" role="alert"><p>${form.failure.message}</p>
    ${faults.length > 0 && html`<ul>${faults.map(([field, detail]) => html`<li key=${field}><code>${field}</code>: ${detail}</li>`)}</ul>`}
  </div>`;
};
