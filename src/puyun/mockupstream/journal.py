"""What was asked and what was answered: one line a request, appended when its answer ended, and a window in memory."""

import asyncio
from collections import defaultdict, deque
from pathlib import Path

import msgspec

_KEPT = 20_000
"""Entries in memory; the file keeps all."""


class Entry(msgspec.Struct, kw_only=True):
    """One request. `complete`: the last byte of its answer left. Tokens are those reported, 0 where none were;
    `request_id` is the `x-client-request-id` it was sent with.
    """

    number: int
    path: str
    model: str = ""
    user: str | None = None
    request_id: str = ""
    stream: bool = False
    include_usage: bool = False
    status: int = 200
    prompt_tokens: int = 0
    completion_tokens: int = 0
    chunks: int = 0
    complete: bool = False
    ended: bool = False


class Stats(msgspec.Struct):
    """Counters for tests that ask whether connections and requests were let go."""

    connections: int = 0
    connections_opened: int = 0
    requests: int = 0
    requests_opened: int = 0
    bytes_written: int = 0
    looks: int = 0
    """How often it was asked how full it is."""


class Asked(msgspec.Struct):
    """An entry with the request as it arrived: header names in lower case, the credential left out."""

    entry: Entry
    headers: dict[str, str]
    body: msgspec.Raw


class Journal:
    def __init__(self, path: Path | None) -> None:
        self._file = None if path is None else path.open("ab", buffering=0)
        self._asked: deque[Asked] = deque(maxlen=_KEPT)
        self.stats = Stats()
        self.waiting = 0
        """Calls in a queue that it says it has."""
        self._gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def gate(self, user: str | None) -> asyncio.Event:
        """Set once this user's requests may be answered."""
        return self._gates[user or ""]

    def open(self, path: str) -> Entry:
        self.stats.requests += 1
        self.stats.requests_opened += 1
        return Entry(number=self.stats.requests_opened, path=path)

    def asked(self, entry: Entry, headers: dict[str, str], body: bytes) -> None:
        kept = {name: value for name, value in headers.items() if name != "authorization"}
        self._asked.append(Asked(entry, kept, msgspec.Raw(body)))

    def close(self, entry: Entry) -> None:
        self.stats.requests -= 1
        entry.ended = True
        if self._file is not None:
            self._file.write(msgspec.json.encode(entry) + b"\n")

    def metrics(self) -> bytes:
        """As vLLM spells them."""
        running, waiting = self.stats.requests, self.waiting
        return f"vllm:num_requests_running {running}\nvllm:num_requests_waiting {waiting}\n".encode()

    def dump(self, user: str | None) -> bytes:
        """Requests in order of arrival, those of one `user` if given, as a JSON array."""
        return msgspec.json.encode([asked for asked in self._asked if user is None or asked.entry.user == user])
