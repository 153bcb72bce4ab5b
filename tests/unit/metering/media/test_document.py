import pytest

from puyun.metering.media.document import PAGES_MAX, pages_of, tokens_of

PAGE = b"3 0 obj << /Type /Page /Parent 2 0 R >> endobj\n"
TREE = b"2 0 obj << /Type /Pages /Kids [3 0 R] /Count 12 >> endobj\n"


@pytest.mark.parametrize(
    ("content", "size", "pages"),
    [
        (b"%PDF-1.7\n" + PAGE * 3, None, 3),
        (b"%PDF-1.7\n" + PAGE.replace(b" /Page ", b"/Page") * 3, None, 3),
        (b"%PDF-1.7\n" + TREE, None, 12),
        (b"%PDF-1.7\n" + TREE + PAGE, None, 12),
        (b"%PDF-1.7\n" + PAGE, 2_048 * 40, 40),
        (b"%PDF-1.7\n packed", None, 1),
        (b"%PDF-1.7\n" + b"x" * 20_480, None, 11),
        (b"%PDF-1.7\n /Count 9999999", None, PAGES_MAX),
        (b"", 0, 1),
    ],
)
def test_how_many_pages_a_document_has_at_most(content: bytes, size: int | None, pages: int) -> None:
    assert pages_of(content, len(content) if size is None else size) == pages


def test_what_a_page_costs() -> None:
    assert tokens_of("gemini-3-pro", 2) == 2_240
    assert tokens_of("claude-opus-4", 2) == 9_200
    assert tokens_of("claude-opus-4", 0) == 0
