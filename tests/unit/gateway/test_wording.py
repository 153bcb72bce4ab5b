import json

import pytest

from puyun.gateway.wording import answer_head, error_answer, stream_head
from puyun.kit.errors import PuyunError


def headers(head: bytes) -> tuple[bytes, dict[str, str]]:
    first, *lines = head.split(b"\r\n")
    assert lines.pop() == b"", "the front adds its own lines and the empty one"
    return first, dict(line.decode().split(": ", 1) for line in lines)


def test_the_head_of_an_answer() -> None:
    head = answer_head(size=12, request_id=b"req_1", tier=b"flex", cost="0.5", timing=(0.04, 12.34, 1000.0))
    assert headers(head) == (
        b"HTTP/1.1 200 OK",
        {
            "content-type": "application/json",
            "content-length": "12",
            "x-request-id": "req_1",
            "x-puyun-tier": "flex",
            "x-puyun-cost": "0.5",
            "access-control-allow-origin": "*",
            "access-control-expose-headers": "*",
            "server-timing": "queue;dur=0.0, upstream;dur=12.3, total;dur=1000.0",
        },
    )


def test_the_head_of_a_stream_knows_no_cost_and_no_length() -> None:
    first, found = headers(stream_head(request_id=b"req_1", tier=b"test", timing=(1.0, 2.0, 3.0)))
    assert first == b"HTTP/1.1 200 OK"
    assert found["content-type"] == "text/event-stream; charset=utf-8"
    assert (found["cache-control"], found["x-accel-buffering"], found["x-puyun-tier"]) == ("no-cache", "no", "test")
    assert {"x-puyun-cost", "content-length"}.isdisjoint(found)


@pytest.mark.parametrize(
    ("status", "line"),
    [(402, b"HTTP/1.1 402 Payment Required"), (503, b"HTTP/1.1 503 Service Unavailable"), (529, b"HTTP/1.1 529 ")],
)
def test_an_error(status: int, line: bytes) -> None:
    error = PuyunError("some_code", status, "Größe: 5 €.", headers={"retry-after": "5", "x-should-retry": "false"})
    head, body = error_answer(error, "req_1")
    first, found = headers(head)
    assert first == line
    assert int(found["content-length"]) == len(body)
    assert (found["x-request-id"], found["retry-after"], found["x-should-retry"]) == ("req_1", "5", "false")
    assert json.loads(body)["error"]["message"] == "Größe: 5 €."
