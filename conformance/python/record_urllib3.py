"""urllib3: a pool manager against a port where nobody listens, and against a server that fails."""

import socket

import urllib3

from common import STATUSES, Server, hand_over, script

with socket.socket() as closed:
    closed.bind(("127.0.0.1", 0))
    refusing = f"http://127.0.0.1:{closed.getsockname()[1]}/"

connect = urllib3.connection.HTTPConnection.connect


def counted(connection):
    if f":{connection.port}/" in refusing:
        script.attempt()  # the server counts the others
    return connect(connection)


urllib3.connection.HTTPConnection.connect = counted
server = Server()


def waits_of(pool, method, url):
    def work():
        if pool.request(method, url).status >= 400:
            raise urllib3.exceptions.HTTPError("not retried, or retried in vain")

    return script.call(work, urllib3.exceptions.HTTPError)


def rows(preset, retries, **more):
    pool = urllib3.PoolManager(**retries)
    calls = [waits_of(pool, "GET", refusing) for _ in range(5)]
    retried = {}
    for method in ("GET", "POST"):
        retried[method] = {"refused": bool(waits_of(pool, method, refusing))}
        for outcome in [*STATUSES, "reset"]:
            server.status, server.headers = outcome, {}
            retried[method][str(outcome)] = bool(waits_of(pool, method, server.url))
        for outcome in STATUSES:
            server.status, server.headers = outcome, {"Retry-After": "3"}
            retried.setdefault(f"{method} hinted", {})[str(outcome)] = bool(waits_of(pool, method, server.url))
    return {"preset": preset, "calls": calls, "retried": retried, **more}


hand_over(
    rows("urllib3", {"retries": urllib3.Retry()}, note="Retry() given to a PoolManager"),
    rows("urllib3", {}, variant="a PoolManager without options, whose default is Retry(3)"),
    rows("urllib3-backoff", {"retries": urllib3.Retry(backoff_factor=0.5)}),
)
