"""What parent and child say to one another: short lines, and the end of the line when either is gone."""

import socket
from contextlib import suppress

_READ = 64 * 1024
_LINE_MAX = 16 * 1024


class Link:
    """One end. It never blocks: what does not fit in the kernel's buffer is lost, and that is far more than is said."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._rest = b""

    @classmethod
    def pair(cls) -> tuple["Link", "Link"]:
        one, other = socket.socketpair()
        return cls(one), cls(other)

    def fileno(self) -> int:
        return self._end.fileno()

    def tell(self, line: str) -> None:
        """Nothing if nobody listens any more."""
        with suppress(OSError):
            self._end.sendall(line.encode() + b"\n")

    def hear(self) -> list[str] | None:
        """The lines that came since; None once the other end is gone."""
        try:
            data = self._end.recv(_READ)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[:_LINE_MAX]
        return [line.decode() for line in lines]

    def close(self) -> None:
        self._end.close()
