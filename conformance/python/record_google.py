"""google-api-core: Retry() as it is, around a function that fails."""

import requests
from google.api_core import exceptions, retry

from common import STATUSES, hand_over, script

outcome = 503


@retry.Retry()
def failing():
    script.attempt()
    if outcome == "refused":
        raise requests.exceptions.ConnectionError("refused")
    raise exceptions.from_http_status(outcome, "scripted")


FAILURES = (exceptions.GoogleAPICallError, exceptions.RetryError, requests.exceptions.ConnectionError)
# From the seventh retry on, a long wait may end the call instead, and only the short ones would be seen.
calls, retried = script.record(failing, FAILURES), {}
for outcome in [*STATUSES, "refused"]:
    retried[str(outcome)] = bool(script.call(failing, FAILURES))
hand_over({"preset": "google-api-core", "calls": calls, "first": 6, "retried": {"GET": retried, "POST": retried}})
