"""Places where a process can be made to die by name, so that a test sees what a death there leaves behind.

`PUYUN_CRASH_AT=settle-committed:3` kills a process, as kill -9 would, when it passes that place for the third time.
Where nothing is armed, passing a place costs one comparison. docs/reference/crash-points.md says what must hold after.
"""

import os
import signal
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, Protocol

from puyun.kit.errors import Blame, PuyunError

VARIABLE = "PUYUN_CRASH_AT"

POINTS = {
    "call-admitted": "a call was admitted; its hold has not been asked for",
    "hold-queued": "the hold waits for the writer",
    "hold-written": "the hold is written, its transaction still open",
    "hold-committed": "the hold is durable; the call has not heard of it",
    "call-held": "the call has its hold and has not asked for a seat",
    "call-sent": "the request is with the provider; nothing has come back",
    "answer-begun": "the head of the provider's answer is here; the client has nothing",
    "stream-begun": "the client gets the first event of a stream",
    "grow-queued": "a stream asks for more hold",
    "grow-written": "more hold is written, its transaction still open",
    "grow-committed": "more hold is durable; the stream has not heard of it",
    "client-left": "the client of a stream is gone; what it got is not written down yet",
    "usage-read": "the final usage of an answer is known; no settle has been asked for",
    "settle-queued": "the settle waits for the writer",
    "settle-written": "the settle is written, its transaction still open",
    "settle-committed": "the settle is durable; the call has not heard of it",
    "call-settled": "the call knows of its settle; its last bytes have not left",
    "last-bytes-torn": "half of the last bytes have left",
    "slot-taken": "a starting process has its slot and no owner row",
    "owner-registered": "a starting process has its owner row and has swept nothing",
    "owner-buried": "the owner row of a dead process is gone; its holds are there",
    "holds-returned": "the holds of a dead process are returned; nobody has heard of it",
    "refresh-read": "a new catalogue or key was read and not put in place",
    "webhook-sent": "a delivery was tried; its outcome is not written down",
    "migration-applied": "one migration of the schema is applied, the transaction of all of them still open",
    "act-written": "an act of the control plane is written, its transaction still open",
    "act-committed": "an act of the control plane is durable; whoever did it has not heard",
}
"""Every place by name, in the order in which a call, a start and an operator pass them."""


class _Fuse:
    """What is armed; the empty name is no place."""

    name = ""
    left = 0


def arm(text: str) -> None:
    """`NAME` or `NAME:N`; empty disarms. Raises PuyunError `unknown_crash_point`."""
    name, colon, times = text.partition(":")
    if text and (name not in POINTS or (colon and not (times.isdecimal() and int(times)))):
        message = (
            f"{VARIABLE}={text} names no place to die at; expected NAME or NAME:N, NAME one of {', '.join(POINTS)}."
        )
        raise PuyunError("unknown_crash_point", 500, message, blame=Blame.OPERATOR)
    _Fuse.name, _Fuse.left = name, int(times or 1)


def reached(name: str) -> None:
    """Die here, if so asked."""
    if name == _Fuse.name and _burnt():
        _die()


def reached_by(points: Mapping[type, str], things: Iterable[object]) -> None:
    """The same for each of several things that pass together; their place goes by what they are."""
    if _Fuse.name:
        for thing in things:
            reached(points[type(thing)])


class Transport(Protocol):
    """What asyncio's transports have; named here, so that a command line need not load asyncio."""

    def get_extra_info(self, name: str) -> Any: ...


def torn(name: str, transport: Transport, data: bytes) -> None:
    """Die here after half of `data` has left, if so asked; past the transport, which would only send it later."""
    if name == _Fuse.name and _burnt():
        os.write(transport.get_extra_info("socket").fileno(), data[: len(data) // 2])
        _die()


def _burnt() -> bool:
    _Fuse.left -= 1
    return _Fuse.left == 0


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a process does not outlive SIGKILL")
