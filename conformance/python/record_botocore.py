"""botocore: a whole client whose requests are answered by a handler of the event before sending."""

import os
import sys

os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ.pop("AWS_NEW_RETRIES_2026", None)

import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
)

from common import CALLS, STATUSES, hand_over, script

FAILURES = (ClientError, ConnectionError, HTTPClientError)
session = botocore.session.Session()
outcome, code = 500, "InternalFailure"


class Body:
    def stream(self, **_):
        yield f"<ErrorResponse><Error><Code>{code}</Code><Message>scripted</Message></Error></ErrorResponse>".encode()


def answer(request, **_):
    script.attempt()
    if outcome == "refused":
        raise EndpointConnectionError(endpoint_url=request.url, error="refused")
    if outcome == "timeout":
        raise ConnectTimeoutError(endpoint_url=request.url, error="timeout")
    return AWSResponse(request.url, outcome, {}, Body())


def fresh(mode):
    """A client of its own has a quota of its own."""
    retries = {"mode": mode} if mode else {}
    client = session.create_client(
        "sts",
        region_name="eu-west-1",
        aws_access_key_id="scripted",
        aws_secret_access_key="scripted",
        config=Config(retries=retries),
    )
    client.meta.events.register("before-send", answer)
    return client.get_caller_identity


def scripted(new_outcome, new_code):
    global outcome, code
    outcome, code = new_outcome, new_code


def delays(mode, new_outcome, new_code):
    scripted(new_outcome, new_code)
    calls = []
    while len(calls) < CALLS:
        calls += script.record(fresh(mode), FAILURES, calls=15)
    return calls


def retried(mode):
    """Of statuses without a code that says more, as a proxy or a load balancer would send them."""
    decisions = {}
    for new_outcome in [*STATUSES, "refused", "timeout"]:
        scripted(new_outcome, "Unheard")
        decisions[str(new_outcome)] = bool(script.call(fresh(mode), FAILURES))
    return {"POST": decisions}


def granted(mode, *failure):
    """Retries until the quota of a client is used up, while everything fails."""
    scripted(*failure)
    return sum(map(len, script.record(fresh(mode), FAILURES, calls=120)))


THROTTLED = (400, "ThrottlingException")


def row(preset, mode, throttled=False, quota=()):
    row = {"preset": preset, "calls": delays(mode, 500, "InternalFailure"), "retried": retried(mode)}
    if throttled:
        row["calls_after"] = {"429": delays(mode, *THROTTLED)}
    row["granted"] = {name: granted(mode, *failure) for name, failure in quota}
    return row


if sys.argv[1] == "current":
    quota = [("500", (500, "InternalFailure")), ("429", THROTTLED), ("timeout", ("timeout", ""))]
    hand_over(
        row("aws-sdk-standard", "standard", throttled=True, quota=quota),
        row("aws-sdk-standard", None, throttled=True) | {"note": "botocore's default mode"},
        row("aws-sdk-adaptive", "adaptive") | {"note": "without its limiter, which throttling wakes up"},
    )
else:
    quota = [("500", (500, "InternalFailure")), ("timeout", ("timeout", ""))]
    hand_over(
        row("aws-sdk-standard-2.0", "standard", quota=quota),
        row("aws-sdk-legacy", "legacy"),
        row("aws-sdk-legacy", None) | {"note": "botocore's default mode at that time"},
    )
