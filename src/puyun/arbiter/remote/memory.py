"""What outlives an arbiter: the number of the last one, what was used of every limit, and what came since that was noted.

Memory of the kernel's, inherited from the process that starts arbiters, so that kill -9 loses nothing of it. A state has
one of two places and a log of its own, and the next one the others; each piece has a checksum. So whenever the writer
dies, there is a whole state, and with it the log of what followed it.
"""

import os
import zlib
from collections.abc import Iterator

import msgspec

_PLACE = 1 << 32
"""Bytes from one place to the next; memory is taken only as it is written."""

_HEAD = 8


class State(msgspec.Struct, frozen=True, array_like=True):
    """`serial` counts what was saved; `rest` is the arbiter's."""

    serial: int = 0
    epoch: int = 0
    rest: bytes = b""


_decoder = msgspec.msgpack.Decoder(State)


def create() -> int:
    """Empty, as a file descriptor to inherit."""
    return os.memfd_create("puyun-arbiter", os.MFD_CLOEXEC)


class Memory:
    """As one arbiter uses it: `load` once, then `save` now and then and `note` between."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._serial = 0
        self.logged = 0
        """Bytes that were noted since the last save."""

    def load(self) -> State:
        """The newest that is whole; an empty one at first."""
        states = [_decoder.decode(body) for place in (0, 1) if (body := self._piece(place * _PLACE))]
        found = max(states, key=lambda state: state.serial, default=State())
        self._serial = found.serial
        return found

    def log(self) -> Iterator[bytes]:
        """What was noted after the state that was loaded, in order."""
        at = self._log()
        while body := self._piece(at):
            yield body
            at += _HEAD + len(body)

    def save(self, epoch: int, rest: bytes) -> None:
        """It counts from the moment at which it is whole. Raises OverflowError for more than fits."""
        self._serial += 1
        body = msgspec.msgpack.encode(State(self._serial, epoch, rest))
        if len(body) > _PLACE - _HEAD:
            raise OverflowError(f"{len(body)} bytes of state")
        self.logged = 0
        os.pwrite(self._descriptor, bytes(_HEAD), self._log())  # its log ends where it begins, before it counts
        os.pwrite(self._descriptor, _whole(body), self._serial % 2 * _PLACE)

    def note(self, body: bytes) -> None:
        """Add to the log; never empty."""
        piece = _whole(body) + bytes(_HEAD)  # and the end of the log after it: older notes may lie there
        os.pwrite(self._descriptor, piece, self._log() + self.logged)
        self.logged += len(piece) - _HEAD

    def _log(self) -> int:
        return (2 + self._serial % 2) * _PLACE

    def _piece(self, at: int) -> bytes:
        """Empty where there is none, or only half of one."""
        head = os.pread(self._descriptor, _HEAD, at)
        body = os.pread(self._descriptor, int.from_bytes(head[:4]), at + _HEAD) if len(head) == _HEAD else b""
        return body if zlib.crc32(body) == int.from_bytes(head[4:]) else b""


def _whole(body: bytes) -> bytes:
    return len(body).to_bytes(4) + zlib.crc32(body).to_bytes(4) + body
