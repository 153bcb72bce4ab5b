"""What a request carries beside its text. Found by the bytes of its JSON, so in any dialect alike.

An attachment is base64 under one of a few names. Inside a text its quotes would be escaped, so no text passes for one.
What it is, its own first bytes say; what is of no kind we know is paid as text.
"""

import re
from base64 import b64decode
from binascii import Error
from itertools import islice

import msgspec

from puyun.metering.media import audio, document, image

HEAD = 48 * 1024
"""Bytes looked at of an image or a sound; of base64, a third more."""

DOCUMENT = 4 * 1024 * 1024
"""Bytes looked at of a document; what is beyond is judged by its size."""


class Attachments(msgspec.Struct, frozen=True):
    """Images by size, None for one that lies elsewhere; sound in milliseconds; pages of documents."""

    images: tuple[image.Size | None, ...] = ()
    milliseconds: int = 0
    pages: int = 0

    def tokens(self, model: str) -> int:
        """The most input tokens that all of them come to."""
        if self is NO_ATTACHMENTS:
            return 0
        seen = sum(image.tokens_of(model, size) for size in self.images)
        return seen + audio.tokens_of(model, self.milliseconds) + document.tokens_of(model, self.pages)


NO_ATTACHMENTS = Attachments()

NAMES_MAX = 4_096
"""Places looked at; what lies beyond them is paid as text."""

_NAME = re.compile(rb'"(url|image_url|data|file_data|type|file_uri|fileUri|file_id)"\s*+:\s*+')
"""Begins with a quote, so that the search leaps from quote to quote."""

_INLINE = frozenset({b"url", b"image_url", b"data", b"file_data"})
_BASE64 = re.compile(rb'"(?:data:[^",;]{0,100}+;base64,)?+([A-Za-z0-9+/=\\]{16,}+)"')

_ELSEWHERE = {
    b"image_url": re.compile(rb'(?:\{[^{}\[\]]{0,200}?"url"\s*+:\s*+)?"(?:https?|gs):'),
    b"type": re.compile(rb'"url"'),
    b"file_uri": re.compile(rb'"'),
    b"fileUri": re.compile(rb'"'),
    b"file_id": re.compile(rb'"'),
}
"""How each dialect names what the provider has to fetch."""


def attachments_of(body: bytes) -> tuple[int, Attachments]:
    """Bytes of the body that are text, and what it carries beside."""
    text, milliseconds, pages = len(body), 0, 0
    images: list[image.Size | None] = []
    for match in islice(_NAME.finditer(body), NAMES_MAX):
        name = match[1]
        if name in _ELSEWHERE and _ELSEWHERE[name].match(body, match.end()):
            images.append(None)
            continue
        inline = _BASE64.match(body, match.end()) if name in _INLINE else None
        if inline is None:
            continue
        encoded = inline[1]
        head, size = _decoded(encoded, HEAD)
        if head.startswith((b"\x89PNG", b"\xff\xd8", b"GIF8")) or head[8:12] == b"WEBP":
            images.append(image.size_of(head))
        elif head.startswith((b"ID3", b"OggS", b"fLaC")) or head[8:12] == b"WAVE" or _is_mp3(head):
            milliseconds += audio.milliseconds_of(head, size)
        elif head.startswith(b"%PDF"):
            pages += document.pages_of(_decoded(encoded, DOCUMENT)[0], size)
        else:
            continue
        text -= len(encoded)
    if not images and not milliseconds and not pages:
        return text, NO_ATTACHMENTS
    return text, Attachments(tuple(images), milliseconds, pages)


def _decoded(encoded: bytes, most: int) -> tuple[bytes, int]:
    """The first bytes of what is encoded, and how many there are in all."""
    size = len(encoded) * 3 // 4
    encoded = encoded[: most * 4 // 3]
    if b"\\" in encoded:
        encoded = encoded.replace(b"\\/", b"/")
    try:
        return b64decode(encoded[: len(encoded) // 4 * 4]), size
    except (Error, ValueError):
        return b"", size


def _is_mp3(head: bytes) -> bool:
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2
