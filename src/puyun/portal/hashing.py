"""Passwords are hashed a few at a time: a hash takes 64 MiB and a core, and more at once would slow everybody's calls."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from starlette.concurrency import run_in_threadpool

from puyun.kit.errors import PuyunError

HASHES_AT_ONCE = 2
WAITING_MAX = 20

P = ParamSpec("P")
R = TypeVar("R")


class Hashing:
    """The turns of all pages that hash passwords."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(HASHES_AT_ONCE)
        self._waiting = 0

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """`work` in a thread, in its turn. Raises PuyunError `busy` (503) where too many wait already."""
        if self._waiting >= WAITING_MAX:
            raise PuyunError("busy", 503, "Many people sign in right now.", headers={"retry-after": "5"})
        self._waiting += 1
        try:
            async with self._turns:
                return await run_in_threadpool(work, *args, **kwargs)
        finally:
            self._waiting -= 1
