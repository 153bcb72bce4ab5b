"""Mixed calls on servers that may die under them, and what their clients saw."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx2


@dataclass(frozen=True)
class Kind:
    """One way to call. `leaves`: the client goes after so many pieces; 0: before anything has come."""

    model: str
    stream: bool
    leaves: int | None = None


MIX = (
    Kind("mock-tokens-50", stream=False),
    Kind("mock-chunk-delay-20-tokens-50", stream=True),
    Kind("mock-tokens-1500", stream=True),
    Kind("mock-chunk-delay-20-tokens-50", stream=True, leaves=4),
    Kind("mock-tokens-50", stream=True),
    Kind("mock-delay-300", stream=False, leaves=0),
    Kind("mock-die-midstream", stream=True),
)
"""Whole, paced, growing, left in the middle, quick, left early, broken by the provider."""


@dataclass
class Heard:
    """What a client has of one call. `complete`: to the last byte, and it says that it is whole."""

    kind: Kind
    request_id: str = ""
    status: int = 0
    body: bytes = b""
    """What there is of an answer that is not complete."""
    complete: bool = False


def body_of(kind: Kind, user: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": "one two three"}]
    return {"model": kind.model, "messages": messages, "stream": kind.stream, "user": user, "max_tokens": 4000}


async def one(client: httpx2.AsyncClient, port: int, user: str, kind: Kind) -> Heard:
    """One call. Raises httpx2.TransportError only if not even a head came, or the client meant to stay."""
    heard = Heard(kind)
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    patience = 0.05 if kind.leaves == 0 else 60
    pieces = 0
    try:
        async with client.stream("POST", url, json=body_of(kind, user), timeout=patience) as answer:
            heard.request_id = answer.headers["x-request-id"]
            heard.status = answer.status_code
            async for piece in answer.aiter_raw():
                heard.body += piece
                pieces += 1
                if kind.leaves and pieces >= kind.leaves:
                    return heard
    except httpx2.TransportError:
        return heard
    heard.complete = heard.status == 200 and _whole(heard.body, stream=kind.stream)
    heard.body = b""
    return heard


def _whole(body: bytes, *, stream: bool) -> bool:
    return body.endswith(b"data: [DONE]\n\n") if stream else "usage" in json.loads(body)


class Load:
    """`callers` call one after the other in turn, each on the port that `place` names, until `stop`."""

    def __init__(
        self,
        key: str,
        user: str,
        place: Callable[[], int | None],
        *,
        kinds: tuple[Kind, ...] = MIX,
        pause: float = 0.0,
    ) -> None:
        self._key = key
        self._user = user
        self._place = place
        self._kinds = kinds
        self._pause = pause
        self._turn = count()
        self.heard: list[Heard] = []
        self.stopped = False

    async def run(self, callers: int) -> list[Heard]:
        """Until `stopped`, or nobody is at any place any more."""
        headers = {"authorization": f"Bearer {self._key}"}
        async with httpx2.AsyncClient(headers=headers, limits=httpx2.Limits(max_keepalive_connections=0)) as client:
            await asyncio.gather(*(self._caller(client) for _ in range(callers)))
        return self.heard

    async def _caller(self, client: httpx2.AsyncClient) -> None:
        while not self.stopped:
            port = self._place()
            if port is None:
                return
            kind = self._kinds[next(self._turn) % len(self._kinds)]
            self.heard.append(await one(client, port, self._user, kind))
            await asyncio.sleep(self._pause)
