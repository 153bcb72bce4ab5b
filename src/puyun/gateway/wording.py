"""The bytes around an answer: heads and error bodies. Values are our own, so nothing here needs escaping."""

from http import HTTPStatus

from puyun.arbiter.lease import Lease
from puyun.kit.errors import PuyunError
from puyun.limits.lines import lines_of, openai_lines
from puyun.protocol import openai

STATUS_LINE: dict[int, bytes] = {
    int(status): f"HTTP/1.1 {status} {status.phrase}\r\n".encode() for status in HTTPStatus
}

_ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\nx-request-id: %b\r\n"
    b"x-puyun-tier: %b\r\nx-puyun-cost: %b\r\naccess-control-allow-origin: *\r\n"
    b"access-control-expose-headers: *\r\n"
    b"server-timing: queue;dur=%.1f, upstream;dur=%.1f, total;dur=%.1f\r\n"
)

_LOWERED = b"x-puyun-max-tokens: %d\r\n"

_QUEUED = b"x-puyun-queue-position: %d\r\nx-puyun-predicted-wait-ms: %d\r\n"
"""As told when the call came."""

_STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    b"x-accel-buffering: no\r\nx-request-id: %b\r\nx-puyun-tier: %b\r\naccess-control-allow-origin: *\r\n"
    b"access-control-expose-headers: *\r\n"
    b"server-timing: queue;dur=%.1f, upstream;dur=%.1f, total;dur=%.1f\r\n"
)


def answer_head(*, size: int, request_id: bytes, tier: bytes, cost: str, timing: tuple[float, float, float]) -> bytes:
    """Head of a whole answer; `timing` is (queue, upstream, total) in milliseconds."""
    return _ANSWER % (size, request_id, tier, cost.encode(), *timing)


def stream_head(*, request_id: bytes, tier: bytes, timing: tuple[float, float, float]) -> bytes:
    """Head of a stream, as far as it is known when its first event leaves."""
    return _STREAM % (request_id, tier, *timing)


def lowered(max_tokens: int | None) -> bytes:
    """Says that the answer's end was set by what the wallet can pay; nothing where it was not."""
    return b"" if max_tokens is None else _LOWERED % max_tokens


def limits_lines(lease: Lease) -> bytes:
    """How the call's limits stand, and where it stood in its queue if it had to wait."""
    lines = openai_lines(lease.readings) if lease.passed is None else lines_of(lease.passed)
    if lease.standing is not None:
        lines += _QUEUED % (lease.standing.position, lease.standing.wait // 1000)
    return lines


def error_answer(error: PuyunError, request_id: str) -> tuple[bytes, bytes]:
    """Head and body of an error in the OpenAI dialect."""
    body = openai.encode_error(error, request_id)
    lines = [
        STATUS_LINE.get(error.status, b"HTTP/1.1 %d \r\n" % error.status),
        b"content-type: application/json\r\ncontent-length: %d\r\nx-request-id: %b\r\n"
        b"access-control-allow-origin: *\r\naccess-control-expose-headers: *\r\n" % (len(body), request_id.encode()),
    ]
    lines += [f"{name}: {value}\r\n".encode("latin-1") for name, value in error.headers.items()]
    return b"".join(lines), body
