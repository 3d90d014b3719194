"""stripe: the whole client, with a transport of requests that answers by itself."""

import io

import requests
import stripe

from common import STATUSES, hand_over, script


class Failing(requests.adapters.BaseAdapter):
    outcome = 500

    def send(self, request, **_):
        script.attempt()
        keys.add(request.headers.get("Idempotency-Key"))
        if self.outcome == "refused":
            raise requests.exceptions.ConnectionError("refused")
        if self.outcome == "timeout":
            raise requests.exceptions.ReadTimeout("timeout")
        response = requests.Response()
        response.status_code, response.request, response.url = self.outcome, request, request.url
        response.raw = io.BytesIO(b'{"error": {"message": "scripted"}}')
        return response

    def close(self):
        pass


keys = set()
transport = Failing()
session = requests.Session()
session.mount("https://", transport)
client = stripe.StripeClient("sk_test_scripted", http_client=stripe.RequestsClient(session=session))


def post():
    client.v1.customers.create({})


def get():
    client.v1.customers.retrieve("cus_1")


calls = script.record(post, stripe.StripeError)
retried, one_key = {}, True
for name, work in (("GET", get), ("POST", post)):
    for outcome in [*STATUSES, "refused", "timeout"]:
        transport.outcome = outcome
        keys.clear()
        retried.setdefault(name, {})[str(outcome)] = bool(script.call(work, stripe.StripeError))
        if work is post:
            one_key = one_key and len(keys) == 1 and None not in keys

hand_over({"preset": "stripe-python", "calls": calls, "retried": retried, "key": one_key})
