"""Stripe's own SDK talks to the simulated Stripe: what it cannot create, read or verify is no Stripe.

usage: stripe_checkout.py API_BASE API_KEY SECRET EVENT…

Each event is the signature, a blank, and the body. Prints the types of the events, and a header that the SDK made, which
the other side verifies.
"""

import sys
import time

import stripe

base, key, secret, *events = sys.argv[1:]
client = stripe.StripeClient(key, base_addresses={"api": base}, max_network_retries=0)


def order(amount):
    return {
        "mode": "payment",
        "client_reference_id": "cli_1",
        "line_items": [
            {"quantity": 1, "price_data": {"currency": "usd", "unit_amount": amount, "product_data": {"name": "Call credit"}}}
        ],
        "metadata": {"checkout_id": "chk_1"},
        "payment_intent_data": {"metadata": {"checkout_id": "chk_1"}},
        "success_url": "https://app.example.com/done",
        "cancel_url": "https://app.example.com/billing",
    }


sessions = client.v1.checkout.sessions
made = sessions.create(params=order(5000), options={"idempotency_key": "once"})
assert (made.amount_total, made.currency, made.payment_status) == (5000, "usd", "unpaid"), made
assert made.url.startswith("http") and made.metadata["checkout_id"] == "chk_1"
assert sessions.create(params=order(5000), options={"idempotency_key": "once"}).id == made.id
try:
    sessions.create(params=order(6000), options={"idempotency_key": "once"})
    raise AssertionError("another order under the same key")
except stripe.IdempotencyError:
    pass
try:
    sessions.create(params=order(-1))
    raise AssertionError("a negative amount")
except stripe.InvalidRequestError:
    pass
assert sessions.retrieve(made.id).id == made.id
other = sessions.create(params=order(700))
assert sessions.expire(other.id).status == "expired"
try:
    stripe.StripeClient("sk_test_wrong", base_addresses={"api": base}, max_network_retries=0).v1.checkout.sessions.retrieve(made.id)
    raise AssertionError("a wrong key")
except stripe.AuthenticationError:
    pass

types = []
for line in events:
    signature, body = line.split(" ", 1)
    event = stripe.Webhook.construct_event(body, signature, secret)
    types.append(event["type"])
    assert event["data"]["object"]["object"] in ("checkout.session", "charge", "dispute")
    try:
        stripe.Webhook.construct_event(body + " ", signature, secret)
        raise AssertionError("another body")
    except stripe.SignatureVerificationError:
        pass
now = int(time.time())
signed = stripe.WebhookSignature._compute_signature(f"{now}.signed by the SDK", secret)
print(",".join(types), f"t={now},v1={signed}", flush=True)
