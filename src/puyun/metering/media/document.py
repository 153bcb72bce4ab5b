"""PDF: how many pages at most, and what a page costs in tokens, as text and as a picture."""

import re

FAMILIES = (("gemini", 1_120),)
"""Tokens a page, by what a model's name begins with."""

UNKNOWN = 4_600
"""Up to 3,000 tokens of dense text and 1,600 of the page's picture (Anthropic, "PDF support")."""

PAGES_MAX = 1_000

_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_COUNT = re.compile(rb"/Count\s+(\d{1,7})")
_PACKED_PAGE = 2_048
"""Bytes; a page of a document whose directory is packed is hardly ever smaller."""


def tokens_of(model: str, pages: int) -> int:
    name = model.rpartition("/")[2].lower()
    return pages * next((tokens for prefix, tokens in FAMILIES if name.startswith(prefix)), UNKNOWN)


def pages_of(content: bytes, size: int) -> int:
    """The most pages that a PDF of `size` bytes has, of which `content` is the beginning or all."""
    counts = [int(count) for count in _COUNT.findall(content)]
    pages = max([len(_PAGE.findall(content)), *counts])
    if not pages or len(content) < size:
        pages = max(pages, -(-size // _PACKED_PAGE))
    return min(max(pages, 1), PAGES_MAX)
