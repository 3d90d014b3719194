"""stripe: through the module and through a client, over a transport of requests that answers by itself."""

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
http_client = stripe.RequestsClient(session=session)
stripe.api_key, stripe.default_http_client = "sk_test_scripted", http_client


def row(get, post, **more):
    transport.outcome = 500
    calls, retried, one_key = script.record(post, stripe.StripeError), {}, True
    for name, work in (("GET", get), ("POST", post)):
        for outcome in [*STATUSES, "refused", "timeout"]:
            transport.outcome = outcome
            keys.clear()
            retried.setdefault(name, {})[str(outcome)] = bool(script.call(work, stripe.StripeError))
            if work is post:
                one_key = one_key and len(keys) == 1 and None not in keys
    return {"preset": "stripe-python", "calls": calls, "retried": retried, "key": one_key, **more}


def through(client, **more):
    customers = client.v1.customers
    return row(lambda: customers.retrieve("cus_1"), lambda: customers.create({}), **more)


hand_over(
    row(lambda: stripe.Customer.retrieve("cus_1"), lambda: stripe.Customer.create(), note="through the module"),
    through(
        stripe.StripeClient("sk_test_scripted", http_client=http_client, max_network_retries=2),
        note="StripeClient(max_network_retries=2)",
    ),
    through(stripe.StripeClient("sk_test_scripted", http_client=http_client), variant="StripeClient without max_network_retries"),
)
