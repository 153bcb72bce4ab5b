"""Markdown as a page: headings with anchors, code in tabs, links within the product, and its text for the search.

Two things are added to CommonMark with tables. `{{name}}` is put in when a page is shown. A link that begins with `site:`
leads to a page of this server; one to `name.md` leads to a page of the documentation.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token
from markupsafe import Markup, escape

ROOT = "/docs"

GAP = re.compile(r"\{\{([a-z_]+)\}\}")

_TITLES = {"sh": "Shell", "python": "Python", "js": "JavaScript", "json": "JSON", "text": "Text"}
"""Of code whose line ```` ```sh curl ```` says no other."""

_TO_PAGE = re.compile(r"([a-z-]+)\.md(#.+)?")


class Words(msgspec.Struct, frozen=True):
    """What stands around code, in the language of the page."""

    copy: str
    copied: str


class Section(msgspec.Struct, frozen=True):
    """What stands under a heading, without its markup. `level`: 1 for what stands before the first heading."""

    level: int
    id: str
    title: str
    text: str


class Page(msgspec.Struct, frozen=True):
    """`lead`: its first paragraph, which stands apart from the rest. `gaps`: names that are to be put in."""

    name: str
    title: str
    lead: str
    html: str
    sections: tuple[Section, ...]
    gaps: frozenset[str]

    @property
    def address(self) -> str:
        return f"{ROOT}/{self.name}"

    @property
    def contents(self) -> tuple[Section, ...]:
        """What the table of contents lists."""
        return self.sections[1:]


def fill(text: str, values: Mapping[str, str]) -> str:
    """Raises KeyError for a name that nothing is known of."""
    return GAP.sub(lambda found: values[found[1]], text)


def fill_html(text: str, values: Mapping[str, str]) -> Markup:
    """The same for what is HTML already; the values become text in it."""
    return Markup(GAP.sub(lambda found: str(escape(values[found[1]])), text))  # noqa: S704 - markdown-it escapes, html is off


def slug(title: str, used: Iterable[str] = ()) -> str:
    """The anchor of a heading, as code forges have it."""
    wanted = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") or "section"
    taken, number = set(used), 1
    while (wanted if number == 1 else f"{wanted}-{number}") in taken:
        number += 1
    return wanted if number == 1 else f"{wanted}-{number}"


def render(name: str, source: str, words: Words) -> Page:
    """Raises ValueError for a page that has no title and no paragraph at its beginning, or a link of an unknown kind."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(source)
    kinds = [token.type for token in tokens[:6]]
    if kinds[:3] != ["heading_open", "inline", "heading_close"] or kinds[3:6] != [
        "paragraph_open",
        "inline",
        "paragraph_close",
    ]:
        raise ValueError(f"{name}: a page begins with its title and a paragraph")
    title, lead, body = _plain(tokens[1]), tokens[4], tokens[6:]
    sections = _sections(title, body, _plain(lead))
    for token in (*body, lead):
        for child in token.children or ():
            if child.type == "link_open":
                _lead(name, child)
        if token.type == "table_open":
            token.attrSet("class", "ruled docs-table")
    _head(body)
    _anchor([token for token in body if token.type == "heading_open"], sections)
    html = markdown.renderer.render(_tabs(title, body, words), markdown.options, {})
    opening = markdown.renderer.render([lead], markdown.options, {})
    gaps = frozenset(GAP.findall(source))
    return Page(name, title, opening, html, sections, gaps)


def _sections(title: str, body: Sequence[Token], lead: str) -> tuple[Section, ...]:
    """The page cut at its headings."""
    found = [(1, "", title, [lead])]
    for place, token in enumerate(body):
        if token.type == "heading_open":
            heading = _plain(body[place + 1])
            found.append((int(token.tag[1:]), slug(heading, [each[1] for each in found]), heading, []))
        elif token.type in {"inline", "fence"} and body[place - 1].type != "heading_open":
            found[-1][3].append(_plain(token))
    return tuple(Section(level, anchor, name, "\n".join(texts)) for level, anchor, name, texts in found)


def _anchor(headings: Sequence[Token], sections: Sequence[Section]) -> None:
    for token, section in zip(headings, sections[1:], strict=True):
        token.attrSet("id", section.id)


def _head(body: list[Token]) -> None:
    """The heads of tables: a cell that says nothing is no header, and a head that says nothing is not there."""
    for place in [place for place, token in enumerate(body) if token.type == "thead_open"][::-1]:
        end = next(each for each in range(place, len(body)) if body[each].type == "thead_close")
        if not any(token.content for token in body[place:end]):
            del body[place : end + 1]
            continue
        for opening, content, closing in zip(body[place:end], body[place + 1 :], body[place + 2 :], strict=False):
            if opening.type == "th_open" and content.content:
                opening.attrSet("scope", "col")
            elif opening.type == "th_open":
                opening.tag = closing.tag = "td"


def _plain(token: Token) -> str:
    if token.children is None:
        return token.content
    return "".join(" " if child.type == "softbreak" else child.content for child in token.children)


def _lead(name: str, link: Token) -> None:
    """Where a link leads, as the browser is to have it."""
    target = str(link.attrs["href"])
    page = _TO_PAGE.fullmatch(target)
    if target.startswith("site:"):
        link.attrSet("href", target.removeprefix("site:"))
    elif page is not None:
        link.attrSet("href", f"{ROOT}/{page[1]}{page[2] or ''}")
    elif target.startswith("https://"):
        link.attrSet("rel", "noreferrer")
    elif not target.startswith("#"):
        raise ValueError(f"{name}: a link leads to {target}, which is neither a page here nor an address")


def _tabs(title: str, body: Sequence[Token], words: Words) -> list[Token]:
    """Blocks of code that follow one another become the tabs of one box, named by what it stands under."""
    found: list[Token] = []
    group: list[Token] = []
    boxes = 0
    under = title
    for place, token in enumerate((*body, None)):
        if token is not None and token.type == "fence":
            group.append(token)
            continue
        if group:
            boxes += 1
            found.append(Token("html_block", "", 0, content=_box(f"code-{boxes}", under, group, words)))
            group = []
        if token is not None:
            found.append(token)
            under = _plain(body[place + 1]) if token.type == "heading_open" else under
    return found


def _box(anchor: str, label: str, group: Sequence[Token], words: Words) -> str:
    """As parts/quickstart.html has them, so that the same script makes tabs and a button of it."""
    parts: list[str] = []
    for token in group:
        kind, _, title = token.info.strip().partition(" ")
        shown = escapeHtml(title or _TITLES[kind])
        code = escapeHtml(token.content.removesuffix("\n"))
        parts.append(
            f'<section class="tab" data-title="{shown}" data-kind="{kind}"><p class="tab-name">{shown}</p>'
            f'<pre tabindex="0"><code>{code}</code></pre></section>'
        )
    said = {"data-copy": words.copy, "data-copied": words.copied, "aria-label": label}
    attributes = " ".join(f'{name}="{escapeHtml(text)}"' for name, text in said.items())
    return f'<div id="{anchor}" class="tabs code" data-tabs {attributes}>{"".join(parts)}</div>\n'
