"""Checks requests with the package that Standard Webhooks publishes: what it refuses, no receiver can verify.

usage: standard_webhooks.py FILE

FILE is JSON: {"secrets": ["whsec_…", …], "requests": [{"headers": {…}, "body": "…"}, …]}. Every secret must verify every
request.
"""

import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError

with open(sys.argv[1]) as file:
    given = json.load(file)
assert given["secrets"] and given["requests"]


def is_refused(webhook, body, headers):
    try:
        webhook.verify(body, headers, json_parse=False)
    except WebhookVerificationError:
        return True
    return False


for webhook in map(Webhook, given["secrets"]):
    for request in given["requests"]:
        body, headers = request["body"], request["headers"]
        # a request without arguments in its body has an empty one, which is no JSON
        webhook.verify(body, headers, json_parse=False)
        assert is_refused(webhook, body + " ", headers), "another body was taken"
        another = {**headers, "webhook-id": headers["webhook-id"] + "x"}
        assert is_refused(webhook, body, another), "another id was taken"
print("ok")
