"""What all recorders share: a clock that jumps, a list of waits, and a server on the loopback interface that fails on demand."""

import json
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CALLS = 2000
STATUSES = [400, 404, 408, 409, 413, 425, 429, 500, 501, 502, 503, 504, 509, 521, 522, 524]

random.seed(20240229)  # the packages draw from here, so that results can be repeated
_monotonic, _ahead = time.monotonic, 0.0


class Script:
    """The waits between the attempts of each call. A wait that is not slept, because it is zero, still counts as one."""

    def __init__(self):
        self.calls = []
        self._waits, self._pending = [], None

    def attempt(self):
        if self._pending is not None:
            self._waits.append(self._pending)
        self._pending = 0.0

    def sleep(self, seconds):
        global _ahead
        _ahead += seconds
        if self._pending is not None:
            self._pending += seconds

    def call(self, work, fails_with):
        """Makes one call, which must fail as expected, and gives back its waits."""
        self._waits, self._pending = [], None
        try:
            work()
        except fails_with:
            pass
        else:
            raise AssertionError("a call succeeded that should fail")
        assert self._pending is not None, "no attempt was made"
        return self._waits

    def record(self, work, fails_with, calls=CALLS):
        return [self.call(work, fails_with) for _ in range(calls)]


script = Script()
time.sleep = lambda seconds: script.sleep(seconds)
time.monotonic = lambda: _monotonic() + _ahead


class Server:
    """Answers every request with `status` and `headers`, or cuts the connection if the status is "reset"."""

    def __init__(self):
        self.status, self.headers = 500, {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                script.attempt()
                if outer.status == "reset":
                    self.close_connection = True
                    return
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}/"


def hand_over(*rows):
    print(json.dumps(rows))
