import struct

import pytest

from puyun.metering.media.audio import milliseconds_of, tokens_of


def wav(rate: int = 16_000, bits: int = 16, extra: bytes = b"") -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, rate, rate * bits // 8, bits // 8, bits)
    return b"RIFF\x00\x00\x00\x00WAVE" + extra + b"fmt " + struct.pack("<I", 16) + form + b"data\xff\xff\xff\xff"


MPEG1_128 = b"\xff\xfb\x90\x64"
MPEG2_32 = b"\xff\xf3\x40\xc4"
ID3 = b"ID3\x04\x00\x00\x00\x00\x00\x10" + b"\x00" * 16


@pytest.mark.parametrize(
    ("head", "size", "milliseconds"),
    [
        (wav(), 32_000, 1_000),
        (wav(44_100), 88_200, 1_000),
        (wav(extra=b"LIST\x04\x00\x00\x00abcd"), 64_000, 2_000),
        (wav()[:20], 5_000, 5_000),
        (MPEG1_128, 16_000, 1_000),
        (ID3 + MPEG1_128, 16_000, 1_000),
        (MPEG2_32, 4_000, 1_000),
        (MPEG1_128 + b"\x00" * 30 + b"Xing", 16_000, 16_000),
        (b"\xff\xfb\x00\x64", 700, 700),
        (b"OggS", 3_000, 3_000),
        (b"fLaC", 3_000, 3_000),
        (b"", 0, 0),
    ],
)
def test_how_long_a_sound_is_at_most(head: bytes, size: int, milliseconds: int) -> None:
    assert milliseconds_of(head, size) == milliseconds


def test_what_a_second_costs() -> None:
    assert tokens_of("gpt-4o-audio-preview", 10_000) == 100
    assert tokens_of("google/Gemini-2.5-flash", 10_000) == 320
    assert tokens_of("unheard-of", 1) == 1
    assert tokens_of("unheard-of", 0) == 0
