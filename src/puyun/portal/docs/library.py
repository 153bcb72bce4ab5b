"""The pages of the documentation in each language, rendered when the first of them is asked for, and found by words."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

import msgspec
from markupsafe import Markup, escape

from puyun.portal.docs.markup import Page, Section, Words, fill, render
from puyun.web.language import Language, translations

CHAPTERS = {
    "start": ("quickstart", "keys", "clients"),
    "calls": ("chat", "endpoints", "models", "tiers", "limits"),
    "money": ("billing",),
    "reference": ("errors", "control-api"),
}
"""The pages in the order in which they are read."""

NAMES = tuple(name for names in CHAPTERS.values() for name in names)

WORDS_MAX = 8
HITS_MAX = 30
EXCERPT = 160
"""Characters of a section that are shown of it."""


class Hit(msgspec.Struct, frozen=True):
    """A section that has all the words. `excerpt`: what stands around the first of them."""

    page: Page
    section: Section
    excerpt: Markup

    @property
    def address(self) -> str:
        return f"{self.page.address}#{self.section.id}" if self.section.id else self.page.address


@cache
def library(language: Language) -> Mapping[str, Page]:
    """Every page by its name, in order."""
    say = translations(language).gettext
    words = Words(say("Copy"), say("Copied"))
    folder = files("puyun.portal.docs") / language
    return {name: render(name, (folder / f"{name}.md").read_text("utf-8"), words) for name in NAMES}


def find(pages: Sequence[Page], text: str, values: Mapping[str, str]) -> list[Hit]:
    """The sections that have every word of `text`, first those whose title has most of them."""
    words = text.casefold().split()[:WORDS_MAX]
    if not words:
        return []
    found: list[tuple[int, int, Hit]] = []
    for page in pages:
        for section in page.sections:
            content = fill(section.text, values)
            title, whole = section.title.casefold(), page.title.casefold()
            if all(word in title or word in whole or word in content.casefold() for word in words):
                rank = sum((word in title) * 4 + (word in whole) for word in words)
                found.append((-rank, len(found), Hit(page, section, excerpt(content, words))))
    return [hit for _, _, hit in sorted(found, key=lambda each: each[:2])[:HITS_MAX]]


def excerpt(text: str, words: Sequence[str]) -> Markup:
    """About EXCERPT characters around the first word there is, which is marked."""
    line = " ".join(text.split())
    lower = line.casefold()
    if len(lower) != len(line):  # a letter that is two in lower case: places would not fit
        return escape(line[:EXCERPT])
    place, word = min(((lower.find(word), word) for word in words if word in lower), default=(0, ""))
    start = max(0, place - EXCERPT // 3)
    if start:
        start = line.find(" ", start, place) + 1 or start
    end = start + EXCERPT
    before, marked, after = line[start:place], line[place : place + len(word)], line[place + len(word) : end]
    shown = escape(before) + Markup("<mark>{}</mark>").format(marked) + escape(after) if word else escape(line[:end])
    return Markup("{}{}{}").format("…" if start else "", shown, "…" if end < len(line) else "")
