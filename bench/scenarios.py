"""The rows: which answers the mock gives, and how calls arrive."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.columns.column import descriptors
from bench.native import Shape

PROMPT = "A question of the usual length, as a program would ask it. "
SPARE = 1_500  # descriptors
STREAMS = 10_000  # DESIGN: this many open streams in 500 MB


@dataclass(frozen=True)
class Options:
    """What the command line chose; `seconds` is the length of one closed-loop or open-loop measure."""

    rounds: int = 3
    seconds: float = 3.0
    quick: bool = False
    patience: float = 60.0  # seconds a run waits for a quiet machine


@dataclass(frozen=True)
class Row:
    """`unit`: what CPU time is divided by. `once`: too long to be repeated. `behaviour`: as native/mock.c takes it."""

    name: str
    title: str
    unit: str
    behaviour: str
    full: Shape
    gentle: Shape
    once: bool = False

    @property
    def model(self) -> str:
        return f"mock-{self.name}"

    @property
    def events(self) -> int:
        """Server-sent events of one answer; 0 for one that is not streamed."""
        return int(self.behaviour.partition(":")[0])


def warm_up(shape: Shape) -> Shape | None:
    """A short run of the same kind, so that code is warm and the proxy's connections stand; none for a set of long streams."""
    return None if shape.calls else Shape(shape.connections, 0.5, rate=shape.rate, stream=shape.stream)


def open_streams() -> int:
    """As many as a proxy can hold: two sockets a stream, besides files and connections kept from other rows."""
    return max(100, min(STREAMS, (descriptors() - SPARE) // 2))


def load_rows(options: Options) -> Iterator[Row]:
    s = options.seconds
    yield Row("plain", "1 KB in, 1.2 KB out", "call", "0:1:0", Shape(128, s), Shape(4, s))
    burst = Shape(16, s, stream=True)
    yield Row("burst", "stream in bursts of 16", "event", "260:16:0", burst, Shape(2, s, stream=True))
    paced_events = 44 if options.quick else 104
    yield Row(
        "paced",
        "200 streams, 20 events/s each",
        "event",
        f"{paced_events}:1:50000",
        Shape(200, 30, calls=200, rate=400, stream=True),
        Shape(20, 30, calls=20, rate=40, stream=True),
    )
    yield Row(
        "latency", "1,000 calls/s, open loop", "call", "0:1:0", Shape(500, 2 * s, rate=1000), Shape(100, 2 * s, rate=40)
    )
    many = open_streams()
    yield Row(
        "crowd",
        f"{many:,} open streams, 1 event/s each",
        "event",
        "18:1:1000000",
        Shape(many, 60, calls=many, rate=1000, stream=True),
        Shape(many // 20, 60, calls=many // 20, rate=50, stream=True),
        once=True,
    )


def write_request(row: Row, headers: dict[str, str], path: Path) -> None:
    """One whole HTTP/1.1 request of about 1 KB, as the official SDK would send it."""
    body: dict[str, object] = {
        "model": row.model,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant. Answer in one paragraph."},
            {"role": "user", "content": (PROMPT * 20)[:800]},
        ],
        "max_tokens": 256,
        "temperature": 0.7,
    }
    if row.events:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    content = json.dumps(body).encode()
    head = {"Host": "127.0.0.1", "Content-Type": "application/json", "Accept": "application/json", **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    start = f"POST /v1/chat/completions HTTP/1.1\r\n{lines}Content-Length: {len(content)}\r\n\r\n"
    path.write_bytes(start.encode() + content)
