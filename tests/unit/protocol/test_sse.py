import itertools

import pytest
from hypothesis import given, strategies as st

from puyun.protocol import sse
from puyun.protocol.sse import EVENT_MAX, EventSplitter, EventTooLongError, encode, payload

STREAM = (
    b': ping\n\ndata: {"a":1}\n\nevent: x\ndata: {"b":"\\n"}\nid: 7\n\ndata: one\ndata: two\n\n\n\ndata:tight\n\n'
    b"data\n\nretry: 5\n\ndata: \xe4\xbd\xa0\xe5\xa5\xbd\n\ndata: [DONE]\n\n"
)
PAYLOADS = [
    b"", b'{"a":1}', b'{"b":"\\n"}', b"one\ntwo", b"tight", b"", b"", "你好".encode(), b"[DONE]",
]  # fmt: skip
LINE_ENDS = [b"\n", b"\r\n", b"\r"]


def events(pieces: list[bytes]) -> list[bytes]:
    splitter = EventSplitter()
    return [event for piece in pieces for event in splitter.feed(piece)]


def ended_by(end: bytes) -> bytes:
    """The stream with another line end. What ends with CR waits for a LF that may follow, so something has to come."""
    return STREAM.replace(b"\n", end) + (b":" if end == b"\r" else b"")


@pytest.mark.parametrize("end", LINE_ENDS, ids=["LF", "CRLF", "CR"])
def test_payloads_are_the_same_for_each_line_end(end: bytes) -> None:
    assert [payload(event) for event in events([ended_by(end)])] == PAYLOADS


@pytest.mark.parametrize("end", LINE_ENDS, ids=["LF", "CRLF", "CR"])
def test_a_cut_at_any_byte_changes_nothing(end: bytes) -> None:
    """W6."""
    stream = ended_by(end)
    whole = events([stream])
    for cut in range(len(stream) + 1):
        assert events([stream[:cut], stream[cut:]]) == whole, cut
    assert events([bytes([byte]) for byte in stream]) == whole


lines = st.sampled_from([b"data: a", b"data: ", b": c", b"", b"event: x", b"data: \xff"])


@given(
    st.lists(st.tuples(lines, st.sampled_from(LINE_ENDS)), max_size=12),
    st.lists(st.integers(0, 200), max_size=8),
)
def test_any_mixture_of_line_ends_in_any_pieces(parts: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    stream = b"".join(line + end for line, end in parts) + b":"
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[start:end] for start, end in itertools.pairwise(places)]
    assert events(pieces) == events([stream])
    assert [payload(event) for event in events(pieces)] == list(dispatched(stream))


def dispatched(stream: bytes) -> list[bytes]:
    """The rule of the HTML standard, line by line: an event is the lines between empty ones, if there are any."""
    found: list[bytes] = []
    block: list[bytes] = []
    text = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for line in text.split(b"\n")[:-1]:
        if line:
            block.append(line)
        elif block:
            fields = [part.partition(b":") for part in block]
            found.append(b"\n".join(v.removeprefix(b" ") for name, colon, v in fields if name == b"data" and colon))
            block = []
    return found


@given(st.binary(max_size=300), st.integers(1, 20))
def test_no_bytes_are_made_up(stream: bytes, size: int) -> None:
    splitter = EventSplitter()
    found = b"".join(event for n in range(0, len(stream), size) for event in splitter.feed(stream[n : n + size]))
    assert (found + splitter.rest).replace(b"\n", b"").replace(b"\r", b"") == stream.replace(b"\n", b"").replace(
        b"\r", b""
    )
    assert len(found) + len(splitter.rest) <= len(stream)


def test_what_has_not_ended_waits() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: a\n\ndata: b\n") == [b"data: a\n\n"]
    assert splitter.rest == b"data: b\n"
    assert splitter.feed(b"\n") == [b"data: b\n\n"]
    assert splitter.rest == b""


def test_an_event_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """W7."""
    monkeypatch.setattr(sse, "EVENT_MAX", 100)
    splitter = EventSplitter()
    assert splitter.feed(b"x" * 100) == []
    with pytest.raises(EventTooLongError):
        splitter.feed(b"x")
    assert len(EventSplitter().feed(b"data: a\n\n" * 500)) == 500
    assert EVENT_MAX >= 1024 * 1024


@given(st.text(alphabet="{}ab \n", min_size=1, max_size=20).map(str.encode))
def test_what_is_encoded_is_read_again(data: bytes) -> None:
    assert [payload(event) for event in events([encode(data) + sse.DONE])] == [data, b"[DONE]"]
