"""Attachments are found in the JSON of any dialect, and nothing in a text passes for one."""

import json
from base64 import b64encode

import pytest
from hypothesis import given, strategies as st

from puyun.metering.media.attachment import NAMES_MAX, NO_ATTACHMENTS, Attachments, attachments_of

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x03\x20\x00\x00\x02\x58\x08\x06\x00\x00\x00" + b"\xfb\xef" * 300
WAV = b"RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80>\x00\x00\x00}\x00\x00\x02\x00\x10\x00" + bytes(
    31_964
)
PDF = b"%PDF-1.7\n" + b"<< /Type /Page >>\n" * 7


def encoded(content: bytes) -> str:
    return b64encode(content).decode()


def url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{encoded(content)}"


SHAPES = {
    "OpenAI chat": [{"type": "image_url", "image_url": {"url": url("image/png", PNG), "detail": "high"}}],
    "OpenAI responses": [{"type": "input_image", "image_url": url("image/png", PNG)}],
    "Anthropic": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": encoded(PNG)}}],
    "Gemini": [{"inlineData": {"mimeType": "image/png", "data": encoded(PNG)}}],
}
ELSEWHERE = {
    "OpenAI chat": [{"type": "image_url", "image_url": {"detail": "low", "url": "https://example.org/a.png"}}],
    "OpenAI responses": [{"type": "input_image", "image_url": "https://example.org/a.png"}],
    "OpenAI file": [{"type": "file", "file": {"file_id": "file-1"}}],
    "Anthropic": [{"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}],
    "Gemini": [{"fileData": {"fileUri": "gs://bucket/a.png", "mimeType": "image/png"}}],
}


def body(content: object) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": content}]}).encode()


@pytest.mark.parametrize("shape", SHAPES)
def test_an_inline_image_is_found_and_is_no_text(shape: str) -> None:
    sent = body(SHAPES[shape])
    text, found = attachments_of(sent)
    assert found == Attachments(images=((800, 600),))
    assert text == len(sent) - len(encoded(PNG))


@pytest.mark.parametrize("shape", ELSEWHERE)
def test_what_lies_elsewhere_is_taken_for_the_largest_image(shape: str) -> None:
    sent = body(ELSEWHERE[shape])
    assert attachments_of(sent) == (len(sent), Attachments(images=(None,)))


def test_slashes_may_be_escaped() -> None:
    sent = body(SHAPES["OpenAI chat"]).replace(b"/", rb"\/")
    assert attachments_of(sent)[1] == Attachments(images=((800, 600),))


def test_sounds_and_documents() -> None:
    content = [
        {"type": "input_audio", "input_audio": {"data": encoded(WAV), "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": url("application/pdf", PDF)}},
    ]
    sent = body(content)
    text, found = attachments_of(sent)
    assert found == Attachments(milliseconds=1_001, pages=7)
    assert text == len(sent) - len(encoded(WAV)) - len(encoded(PDF))
    assert found.tokens("gpt-4o") == 11 + 7 * 4_600


@pytest.mark.parametrize(
    "content",
    [
        "hello",
        json.dumps(SHAPES["OpenAI chat"]),
        json.dumps(ELSEWHERE["OpenAI chat"]) + '"type": "url"',
        [{"type": "text", "text": encoded(PNG)}],
        [{"type": "image_url", "image_url": {"url": url("image/png", b"no picture at all, but long enough")}}],
        [{"url": "data:image/png;base64,===================="}],
        [{"data": "A" * 10}],
    ],
)
def test_what_only_looks_like_an_attachment_is_text(content: object) -> None:
    sent = body(content)
    assert attachments_of(sent) == (len(sent), NO_ATTACHMENTS)


def test_an_image_without_a_readable_header_is_taken_for_the_largest() -> None:
    cut = [{"type": "image_url", "image_url": {"url": url("image/png", PNG[:12] + b"\x00" * 60)}}]
    assert attachments_of(body(cut))[1] == Attachments(images=(None,))


def test_beyond_so_many_places_all_is_text() -> None:
    sent = body([{"type": "url"}] * (NAMES_MAX + 50))
    assert len(attachments_of(sent)[1].images) == NAMES_MAX


@given(
    st.binary(max_size=300), st.sampled_from([b'"url":"', b'"data": "', b'"image_url":{"url":"', b'"type":"url"', b""])
)
def test_any_bytes_at_all_have_some_text_and_no_more_than_all(tail: bytes, start: bytes) -> None:
    text, found = attachments_of(start + tail)
    assert 0 <= text <= len(start + tail)
    assert found.tokens("m") >= 0


def test_none_cost_nothing() -> None:
    assert NO_ATTACHMENTS.tokens("gpt-4o") == Attachments().tokens("gpt-4o") == 0
