// A customer to be made or changed.
import { html, useState } from '../../lib/html.js';
import { patch, post } from '../../lib/api.js';
import { Area, Failure, Text, useForm } from '../../ui/form.js';
import { say } from '../../ui/toast.js';

const ERASED = '[erased]';
const lines = (text) => text.split(/[\n,;]/).map((one) => one.trim()).filter(Boolean);
const known = (value) => (value === ERASED ? '' : value ?? '');

// The error of a field, or of one of its entries: `phones[1]`.
const fault = (errors, field) => errors[field] ?? Object.entries(errors).find(([name]) => name.startsWith(`${field}[`))?.[1];

export function CustomerForm({ customer, saved }) {
  const [text, setText] = useState({
    name: known(customer?.name), external_id: known(customer?.external_id), language: customer?.language ?? '', timezone: customer?.timezone ?? '',
    phones: (customer?.phones ?? []).filter((one) => one !== ERASED).join('\n'), emails: (customer?.emails ?? []).filter((one) => one !== ERASED).join('\n'),
  });
  const set = (name) => (value) => setText({ ...text, [name]: value });
  const form = useForm(async () => {
    const body = { phones: lines(text.phones), emails: lines(text.emails) };
    // what was there and is emptied is removed
    for (const name of ['name', 'external_id', 'language', 'timezone']) if (text[name] || customer) body[name] = text[name].trim() || null;
    if (!customer) return saved(await post('/customers', body));
    await patch(`/customers/${customer.id}`, body, customer.version);
    say('Saved');
    return saved();
  });
  return html`<form class="form" onSubmit=${form.submit}>
    <${Text} label="Name" value=${text.name} onInput=${set('name')} error=${form.errors.name} maxlength="200" />
    <${Text} label="External id" value=${text.external_id} onInput=${set('external_id')} error=${form.errors.external_id} hint="Your own name of the customer" maxlength="200" />
    <${Area} label="Phone numbers" rows="3" value=${text.phones} onInput=${set('phones')} error=${fault(form.errors, 'phones')} hint="One a line, with country code" />
    <${Area} label="E-mail addresses" rows="3" value=${text.emails} onInput=${set('emails')} error=${fault(form.errors, 'emails')} />
    <${Text} label="Language" value=${text.language} onInput=${set('language')} error=${form.errors.language} placeholder="en-GB" />
    <${Text} label="Time zone" value=${text.timezone} onInput=${set('timezone')} error=${form.errors.timezone} placeholder="Europe/Berlin" />
    <${Failure} form=${form} />
    <div class="actions wide"><button class="primary" disabled=${form.busy}>${customer ? 'Save' : 'Make the customer'}</button></div>
  </form>`;
}
