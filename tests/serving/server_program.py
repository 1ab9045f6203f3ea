"""Serves `/health` and `/v1/models` as vLLM does. Variables of the environment say how:

FAMILY: folder in which each process leaves a file named by its id.
DELAY: seconds until `/health` answers 200.
DIES: what is printed before the process ends with exit code 1.
NAMES: the models it lists, in place of the one asked for.
STUBBORN: ignore SIGTERM, and start two workers and a grandchild, which ignore it too; one worker
    makes a session of its own and ends, so that its child has lost its parent.
"""

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

FAMILY = Path(os.environ["FAMILY"])


def appear() -> None:
    (FAMILY / str(os.getpid())).touch()


def fork(own_session: bool = False) -> bool:
    """Whether this is the child."""
    if os.fork():
        return False
    if own_session:
        os.setsid()
    appear()
    return True


def start_workers() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if fork():
        time.sleep(600)
    if fork(own_session=True):
        if fork(own_session=True):
            time.sleep(600)
        os._exit(0)
    while len(list(FAMILY.iterdir())) < 4:
        time.sleep(0.01)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if time.monotonic() < HEALTHY_AT:
            self.answer(503)
        elif self.path == "/health":
            self.answer(200)
        elif self.headers["Authorization"] != f"Bearer {os.environ['VLLM_API_KEY']}":
            self.answer(401)
        else:
            self.answer(200, {"data": [{"id": name} for name in NAMES]})

    def answer(self, code: int, body: object = None) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


def option(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


if __name__ == "__main__":
    appear()
    if "STUBBORN" in os.environ:
        start_workers()
    print("the key is", os.environ["VLLM_API_KEY"], flush=True)
    if "DIES" in os.environ:
        print(os.environ["DIES"], flush=True)
        sys.exit(1)
    HEALTHY_AT = time.monotonic() + float(os.environ.get("DELAY", "0"))
    NAMES = os.environ.get("NAMES", sys.argv[1]).split(",")
    HTTPServer((option("--host"), int(option("--port"))), Handler).serve_forever()
