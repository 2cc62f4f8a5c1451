// Buy credit: the node opens a page of the payment provider.
import { html, useState } from '../../lib/html.js';
import { post } from '../../lib/api.js';
import { amountOf } from '../../lib/format.js';
import { Failure, Text, useForm } from '../../ui/form.js';
import { Dialog } from '../../ui/dialog.js';

export function Buy({ currency, onClose }) {
  const [amount, setAmount] = useState('20');
  const [of, setOf] = useState(currency ?? 'USD');
  const form = useForm(async () => {
    const back = location.href;
    const body = { amount: { amount_micros: amountOf(amount), currency: of.trim().toUpperCase() }, success_url: back, cancel_url: back };
    location.href = (await post('/billing/checkouts', body)).url;
  });
  const wrong = (...fields) => fields.map((field) => form.errors[field]).find(Boolean);
  return html`<${Dialog} title="Buy credit" onClose=${onClose}>
    <form class="form" onSubmit=${form.submit}>
      <${Text} label="Amount" name="amount" inputmode="decimal" value=${amount} onInput=${setAmount} error=${wrong('amount', 'amount.amount_micros')} required />
      <${Text} label="Currency" name="currency" value=${of} onInput=${setOf} error=${wrong('amount.currency')} maxlength="3" readonly=${Boolean(currency)} required />
      <p class="hint wide">You pay on a page of the payment provider. The credit is here once it says that the payment arrived.</p>
      <${Failure} form=${form} />
      <div class="actions wide"><button class="primary" disabled=${form.busy}>Go on to pay</button></div>
    </form>
  <//>`;
}
