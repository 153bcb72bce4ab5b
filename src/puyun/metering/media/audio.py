"""Sound: how long it is at most, and what a second of it costs in tokens."""

SECOND = 1_000
"""In milliseconds."""

FAMILIES = (("gpt", 10), ("gemini", 32), ("qwen", 25))
"""Tokens a second, by what a model's name begins with; as the vendors publish them."""

UNKNOWN = 32

_BYTES_A_MILLISECOND = 1
"""8 kbit/s: speech is hardly ever packed tighter."""

_KBITS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_KBITS_LOWER = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
"""Bit rates of MPEG 1 and MPEG 2 Layer III by the index in a frame's header."""


def tokens_of(model: str, milliseconds: int) -> int:
    name = model.rpartition("/")[2].lower()
    rate = next((rate for prefix, rate in FAMILIES if name.startswith(prefix)), UNKNOWN)
    return -(-milliseconds * rate // SECOND)


def milliseconds_of(head: bytes, size: int) -> int:
    """The longest that a file of `size` bytes with this beginning can sound."""
    rate = _wav(head) if head.startswith(b"RIFF") and head[8:12] == b"WAVE" else _mp3(head)
    return -(-size * SECOND // rate) if rate else size // _BYTES_A_MILLISECOND


def _wav(head: bytes) -> int:
    """Bytes a second, as the format chunk says; 0 if it does not."""
    place = head.find(b"fmt ", 12)
    return int.from_bytes(head[place + 16 : place + 20], "little") if place > 0 and len(head) >= place + 20 else 0


def _mp3(head: bytes) -> int:
    """Bytes a second of a file whose frames are all alike; 0 if that is not certain."""
    start = 0
    if head.startswith(b"ID3") and len(head) > 10:
        start = 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])
    frame = head[start : start + 4]
    if len(frame) < 4 or frame[0] != 0xFF or frame[1] & 0xE6 != 0xE2 or b"Xing" in head[start : start + 200]:
        return 0
    table = _KBITS if frame[1] & 0x18 == 0x18 else _KBITS_LOWER
    return table[frame[2] >> 4] * 125
