"""An engine of ours that has a queue gets fewer calls: over sockets, from its metrics to the place of a call."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from stage.bill import charge
from stage.dialogue import post
from stage.platform import Account, Platform
from stage.waiting import until

ENGINE = """
[[providers]]
name = "engine"
dialect = "openai"
base_url = "http://127.0.0.1:{port}/v1"
engine = "vllm"

[[deployments]]
name = "on-engine@engine"
provider = "engine"
upstream_model = "weights"
seats = 3
own = true

[[models]]
name = "on-engine"
kind = "chat"
context_length = 8192
max_output = 100
deployments = ["on-engine@engine"]

[[prices]]
model = "on-engine"
tier = "flex"
input = "2.50"
output = "10.00"
"""

ANSWER = (
    b'{"id":"x","object":"chat.completion","created":1,"model":"weights","choices":[{"index":0,"message":{"role":'
    b'"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":10,'
    b'"total_tokens":13}}'
)


class Vllm(ThreadingHTTPServer):
    """Counts how often it was asked on one connection, which is kept as long as its answers are read, and answers calls
    once `gate` is set.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.waiting = 0
        self.asked = 0
        self.calls = 0
        self.gate = threading.Event()


class Answering(BaseHTTPRequestHandler):
    server: Vllm
    protocol_version = "HTTP/1.1"
    asked = 0

    def do_GET(self) -> None:
        self.asked += 1
        self.server.asked = max(self.server.asked, self.asked)
        self._send(f'vllm:num_requests_waiting{{engine="0",model_name="weights"}} {self.server.waiting}\n'.encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.calls += 1
        self.server.gate.wait(30)
        self._send(ANSWER)

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def vllm() -> Iterator[Vllm]:
    with Vllm() as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.gate.set()
        server.shutdown()
        thread.join()


def in_flight_and_queued(platform: Platform, account: Account) -> tuple[int, int]:
    (row,) = platform.get("/v1/limits?model=on-engine", account.key)["models"]
    return row["in_flight"], row["queued"]


def test_a_lane_shrinks_while_its_engine_has_a_queue(platform: Platform, vllm: Vllm) -> None:
    account = platform.account()
    vllm.waiting = 2
    platform.apply(ENGINE.format(port=vllm.server_port))
    until(lambda: vllm.asked >= 4, "three answers to be heard, of which the lane may have come too late for one")
    body = {"model": "on-engine", "messages": [{"role": "user", "content": "one two three"}]}
    with platform.dialogue() as first, platform.dialogue() as second:
        for dialogue in (first, second):
            dialogue.send(post("/v1/chat/completions", body, account.key))
        until(lambda: vllm.calls, "the first call to come")
        until(lambda: in_flight_and_queued(platform, account) == (1, 1), "one of three seats to be left")
        assert vllm.calls == 1
        vllm.waiting = 0
        vllm.gate.set()
        assert (first.answer().status, second.answer().status) == (200, 200)
    assert [record["charge"] for record in platform.records(account)] == [charge(3, 10)] * 2
    platform.apply(ENGINE.format(port=vllm.server_port).replace('engine = "vllm"\n', ""))
