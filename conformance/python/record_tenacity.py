"""tenacity: wait_exponential_jitter, with a stop, since without one it never gives up."""

import tenacity

from common import hand_over, script


def failing():
    script.attempt()
    raise RuntimeError("scripted")


retrying = tenacity.Retrying(wait=tenacity.wait_exponential_jitter(), stop=tenacity.stop_after_attempt(11))
calls = script.record(lambda: retrying(failing), tenacity.RetryError)
hand_over({"preset": "tenacity", "calls": calls, "own_attempts": True})
