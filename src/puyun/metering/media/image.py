"""Images: width and height from the header, tokens by the rule of the model's family.

The rules are those that the vendors publish (OpenAI "Images and vision", Anthropic "Vision", Google "Image
understanding", Alibaba "Visual understanding"). A family that nobody knows is taken for the dearest flat one.
"""

from collections.abc import Callable
from typing import Literal

import msgspec

Size = tuple[int, int]
"""Width and height in pixels."""

_SIDE_MAX = 1 << 16


class Tiles(msgspec.Struct, frozen=True):
    """OpenAI: scaled into a square, then so that the shorter side fits, then cut into tiles of 512."""

    base: int
    tile: int
    shorter: int = 768
    longer: int = 2_048

    def tokens(self, size: Size) -> int:
        width, height = _within(_within(size, max, self.longer), min, self.shorter)
        return self.base + self.tile * -(-width // 512) * -(-height // 512)

    @property
    def most(self) -> int:
        return self.tokens((self.longer, self.shorter))


class Patches(msgspec.Struct, frozen=True):
    """A token for each square of `side` pixels, at most `limit` of them, times a factor in thousandths."""

    side: int
    limit: int
    factor: int = 1_000
    least: int = 0

    def tokens(self, size: Size) -> int:
        squares = min(-(-size[0] // self.side) * -(-size[1] // self.side), self.limit)
        return max(-(-squares * self.factor // 1_000), self.least)

    @property
    def most(self) -> int:
        return -(-self.limit * self.factor // 1_000)


Rule = Tiles | Patches

FAMILIES: tuple[tuple[str, Rule], ...] = (
    ("gpt-4o-mini", Tiles(2_833, 5_667)),
    ("gpt-4.1-mini", Patches(32, 1_536, 1_620)),
    ("gpt-4.1-nano", Patches(32, 1_536, 2_460)),
    ("gpt-5-mini", Patches(32, 1_536, 1_620)),
    ("gpt-5-nano", Patches(32, 1_536, 2_460)),
    ("o4-mini", Patches(32, 1_536, 1_720)),
    ("gpt-4", Tiles(85, 170)),
    ("gpt-5", Tiles(85, 170)),
    ("o1", Tiles(75, 150)),
    ("o3", Tiles(75, 150)),
    ("claude", Patches(27, 4_784)),
    ("gemini", Patches(768, 16, 258_000, least=1_120)),
    ("qwen", Patches(28, 16_384)),
    ("deepseek", Patches(28, 2_048)),
)
"""By what a model's name begins with, the longer names first. Anthropic's pixels / 750 is a square of 27."""

UNKNOWN = Patches(14, 2_048)


def rule_of(model: str) -> Rule:
    """The rule of a model, whichever vendor's name stands before its own."""
    name = model.rpartition("/")[2].lower()
    return next((rule for prefix, rule in FAMILIES if name.startswith(prefix)), UNKNOWN)


def tokens_of(model: str, size: Size | None) -> int:
    """The most tokens that an image comes to; None is an image that cannot be seen from here."""
    rule = rule_of(model)
    return rule.most if size is None else rule.tokens(size)


def size_of(head: bytes) -> Size | None:
    """Width and height from the first bytes of a PNG, JPEG, GIF or WebP; None where they do not say."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        size = _numbers(head, 16, 4, "big")
    elif head.startswith((b"GIF87a", b"GIF89a")):
        size = _numbers(head, 6, 2, "little")
    elif head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        size = _webp(head)
    elif head.startswith(b"\xff\xd8"):
        size = _jpeg(head)
    else:
        size = None
    return size if size is not None and all(0 < side <= _SIDE_MAX for side in size) else None


def _within(size: Size, side: Callable[[Size], int], most: int) -> Size:
    """The size scaled down, edges rounded up, until this side is at most so long."""
    length = side(size)
    if length <= most:
        return size
    return -(-size[0] * most // length), -(-size[1] * most // length)


def _numbers(head: bytes, place: int, length: int, order: Literal["big", "little"]) -> Size | None:
    """Two numbers that follow each other."""
    if len(head) < place + 2 * length:
        return None
    middle = place + length
    return int.from_bytes(head[place:middle], order), int.from_bytes(head[middle : middle + length], order)


def _webp(head: bytes) -> Size | None:
    kind = head[12:16]
    if kind == b"VP8X" and len(head) >= 30:
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if kind == b"VP8L" and len(head) >= 25:
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and len(head) >= 30:
        return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    return None


_NO_FRAME = frozenset({0xC4, 0xC8, 0xCC})


def _jpeg(head: bytes) -> Size | None:
    """Walk the segments to the one that begins a frame."""
    place = 2
    while place + 9 <= len(head):
        if head[place] != 0xFF:
            return None
        marker = head[place + 1]
        if marker == 0xFF:
            place += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:
            place += 2
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            height, width = head[place + 5 : place + 7], head[place + 7 : place + 9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        else:
            place += 2 + max(int.from_bytes(head[place + 2 : place + 4], "big"), 2)
    return None
