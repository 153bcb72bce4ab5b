"""Sizes from real headers, and the published examples of what images come to."""

import struct

import pytest
from hypothesis import given, strategies as st

from puyun.metering.media.image import FAMILIES, UNKNOWN, rule_of, size_of, tokens_of


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", width, height) + b"\x08\x06\x00\x00\x00"


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\xf7\x00\x00"


def jpeg(width: int, height: int, *, frame: int = 0xC0, before: bytes = b"") -> bytes:
    app = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    tables = b"\xff\xdb\x00\x43" + b"\x00" * 65 + b"\xff\xc4\x00\x05\x00\x00\x00"
    return b"\xff\xd8" + app + before + tables + bytes((0xFF, frame, 0, 17, 8)) + struct.pack(">HH", height, width)


def webp(kind: bytes, body: bytes) -> bytes:
    return b"RIFF\x24\x00\x00\x00WEBP" + kind + b"\x0a\x00\x00\x00" + body


def lossless(width: int, height: int) -> bytes:
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + b"\x00" * 8)


def extended(width: int, height: int) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return webp(b"VP8X", b"\x10\x00\x00\x00" + sides)


def lossy(width: int, height: int) -> bytes:
    return webp(b"VP8 ", b"\x30\x01\x00\x9d\x01\x2a" + struct.pack("<HH", width, height))


MAKERS = (png, gif, jpeg, lossless, extended, lossy)


@given(st.sampled_from(MAKERS), st.integers(1, 16_000), st.integers(1, 16_000))
def test_the_size_is_that_of_the_header(make, width: int, height: int) -> None:
    head = make(width, height)
    assert size_of(head + b"\x00" * 20) == size_of(head) == (width, height)


def test_a_jpeg_s_frame_is_found_behind_whatever_comes_before_it() -> None:
    exif = b"\xff\xe1\xff\xfd" + b"\xff\xc0" * 32765 + b"\x00"
    assert size_of(jpeg(640, 480, before=exif)) == (640, 480)
    assert size_of(jpeg(640, 480, before=b"\xff\xff\xff\xd0\xff\x01")) == (640, 480)
    assert size_of(jpeg(640, 480, frame=0xC2)) == (640, 480)


@given(st.sampled_from(MAKERS), st.integers(0, 40))
def test_a_header_that_is_cut_off_says_nothing(make, kept: int) -> None:
    head = make(300, 200)
    found = size_of(head[: min(kept, len(head) - 1)])
    assert found in {None, (300, 200)}
    assert size_of(head[:12]) in {None, (300, 200)}


@given(
    st.binary(max_size=60), st.sampled_from((b"", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"\xff\xd8", b"RIFF....WEBPVP8X"))
)
def test_any_bytes_are_a_size_or_none(tail: bytes, start: bytes) -> None:
    size = size_of(start + tail)
    assert size is None or all(0 < side <= 1 << 16 for side in size)


def test_a_size_of_nothing_or_beyond_every_picture_is_none() -> None:
    assert size_of(png(0, 5)) is size_of(png(5, 1 << 17)) is size_of(b"BM....") is None


PUBLISHED = """
gpt-4o              | 1024 x 1024   | 765    | OpenAI's example: 4 tiles
gpt-4o              | 2048 x 4096   | 1105   | OpenAI's example: 6 tiles
openai/gpt-4o       | 512 x 512     | 255    |
gpt-4o-mini         | 1024 x 1024   | 25501  | 2833 + 4 * 5667
gpt-4.1-mini        | 1024 x 1024   | 1659   | 1024 patches * 1.62
gpt-4.1-mini        | 4000 x 4000   | 2489   | at most 1536 patches
o4-mini             | 32 x 32       | 2      |
claude-sonnet-4-5   | 200 x 200     | 64     | Anthropic's table says 54
claude-sonnet-4-5   | 1092 x 1092   | 1681   | Anthropic's table says 1590
gemini-2.5-pro      | 300 x 300     | 1120   |
gemini-2.5-pro      | 3072 x 3072   | 4128   |
qwen-vl-max         | 1024 x 1024   | 1369   |
unheard-of          | 140 x 140     | 100    |
unheard-of          | 9000 x 9000   | 2048   |
"""


@pytest.mark.parametrize("line", PUBLISHED.strip().splitlines())
def test_what_an_image_comes_to(line: str) -> None:
    model, size, tokens, _ = (cell.strip() for cell in line.split("|"))
    width, height = map(int, size.split(" x "))
    assert tokens_of(model, (width, height)) == int(tokens)


@given(st.sampled_from([*(rule for _, rule in FAMILIES), UNKNOWN]), st.integers(1, 16_000), st.integers(1, 16_000))
def test_no_image_comes_to_more_than_one_that_cannot_be_seen(rule, width: int, height: int) -> None:
    assert 0 < rule.tokens((width, height)) <= rule.most


def test_the_longest_name_that_fits_decides() -> None:
    assert rule_of("gpt-4o-mini-2024-07-18") is not rule_of("gpt-4o-2024-08-06")
    assert rule_of("Vendor/GPT-4o") is rule_of("gpt-4o")
    assert tokens_of("unheard-of", None) == UNKNOWN.most
