"""What outlives an arbiter: the number of the last one, and what was used of every limit.

Memory of the kernel's, inherited from the process that starts arbiters, so that kill -9 loses nothing of it. There are two
places for the state, written in turns, each with a checksum: of a torn one the other, older one is there.
"""

import os
import zlib

import msgspec

_PLACE = 64 << 20
"""Bytes between the two places; memory is taken only as it is written."""

_HEAD = 8


class State(msgspec.Struct, frozen=True, array_like=True):
    """`serial` counts what was saved."""

    serial: int = 0
    epoch: int = 0
    limits: bytes = b""


_decoder = msgspec.msgpack.Decoder(State)


def create() -> int:
    """Empty, as a file descriptor to inherit."""
    return os.memfd_create("puyun-arbiter", os.MFD_CLOEXEC)


class Memory:
    """As one arbiter uses it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._serial = 0

    def load(self) -> State:
        """The newest that is whole; an empty one at first."""
        found = max((self._read(place) for place in (0, 1)), key=lambda state: state.serial)
        self._serial = found.serial
        return found

    def save(self, epoch: int, limits: bytes) -> None:
        """Raises OverflowError for more than fits."""
        self._serial += 1
        body = msgspec.msgpack.encode(State(self._serial, epoch, limits))
        if len(body) > _PLACE - _HEAD:
            raise OverflowError(f"{len(body)} bytes of state")
        head = len(body).to_bytes(4) + zlib.crc32(body).to_bytes(4)
        os.pwrite(self._descriptor, head + body, self._serial % 2 * _PLACE)

    def _read(self, place: int) -> State:
        head = os.pread(self._descriptor, _HEAD, place * _PLACE)
        if len(head) < _HEAD:
            return State()
        body = os.pread(self._descriptor, int.from_bytes(head[:4]), place * _PLACE + _HEAD)
        if zlib.crc32(body) != int.from_bytes(head[4:]):
            return State()
        return _decoder.decode(body) if body else State()
