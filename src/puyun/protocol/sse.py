"""Server-sent events as bytes: cut a stream into whole events, whatever the pieces it arrives in."""

import re

EVENT_MAX = 4 * 1024 * 1024
"""An event that does not end within this many bytes is not an event."""

DONE = b"data: [DONE]\n\n"

_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
"""An empty line: two line ends of any kind, where CR LF is one."""
_FIELD_END = re.compile(rb"\r\n|\n|\r")


class EventTooLongError(ValueError):
    """The peer sent more than EVENT_MAX bytes without ending an event."""


class EventSplitter:
    """Feed pieces, get the events that are now whole, each with its end mark. The rest waits, bounded."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """Raises EventTooLongError."""
        data = self._rest + piece if self._rest else piece
        if b"\r" in data or b"\n\n\n" in data or data.startswith(b"\n"):
            return self._feed_any(data)
        end = data.rfind(b"\n\n") + 2
        if end == 1:
            self._keep(data)
            return []
        self._keep(data[end:])
        return [event + b"\n\n" for event in data[:end].split(b"\n\n") if event]

    @property
    def rest(self) -> bytes:
        """What came after the last whole event."""
        return self._rest

    def _feed_any(self, data: bytes) -> list[bytes]:
        """Any of the three line ends, and empty lines between events, which are no events. A lone CR at the end may be
        half of a CRLF, so it waits.
        """
        events: list[bytes] = []
        start = 0
        for match in _END.finditer(data):
            if match.end() == len(data) and data.endswith(b"\r"):
                break
            event = data[start : match.end()].lstrip(b"\r\n")
            if event:
                events.append(event)
            start = match.end()
        self._keep(data[start:])
        return events

    def _keep(self, rest: bytes) -> None:
        if len(rest) > EVENT_MAX:
            raise EventTooLongError(f"no event end within {EVENT_MAX} bytes")
        self._rest = rest


def payload(event: bytes) -> bytes:
    """The event's data; empty for comments and for events that carry none."""
    if event.startswith(b"data: ") and event.find(b"\n") >= len(event) - 2 and b"\r" not in event:
        return event[6:-2]
    lines: list[bytes] = []
    for line in _FIELD_END.split(event):
        name, colon, value = line.partition(b":")
        if name == b"data" and colon:
            lines.append(value.removeprefix(b" "))
    return b"\n".join(lines)


def encode(data: bytes) -> bytes:
    """One event with this data, a field for each of its lines."""
    if b"\n" in data:
        data = data.replace(b"\n", b"\ndata: ")
    return b"data: " + data + b"\n\n"


def comment(text: str) -> bytes:
    """A line that clients skip; `text` is one line."""
    return b": %b\n\n" % text.encode()
