"""What the pages say, held against what there is: paths, headers, error codes, and one language against the other."""

import ast
import re
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt

import puyun
from puyun.catalog.model import METERS, TIERS
from puyun.portal.docs.library import CHAPTERS, EXCERPT, NAMES, Page, excerpt, find, library
from puyun.portal.docs.markup import Section
from puyun.protocol.openai import ENDPOINTS
from puyun.web.language import Language

SRC = Path(puyun.__file__).parent
FOLDER = SRC / "portal" / "docs"
CALLS = ("gateway", "api", "arbiter", "providers", "protocol", "web/events")
"""Where what a caller of models can be told is said."""


PASSED_ON = {("gateway", "serving"), ("control", "errors")}
"""Where a code is told by the caller, in whose own place it is found, or made of HTTP's words for a status."""

BENEATH = (
    "identity/rules.py",
    "notices",
    "pricing/papers",
    "storage/keys/issuing.py",
    "storage/members/budgets.py",
    "storage/papers",
    "storage/webhooks",
)
"""What may be wrong with what a program asks of the control API, as those say who do it."""


def source(language: str, name: str) -> str:
    return (FOLDER / language / f"{name}.md").read_text("utf-8")


def everything(language: str = "en") -> str:
    return "\n".join(source(language, name) for name in NAMES)


def test_both_languages_have_the_same_pages() -> None:
    for language in Language:
        assert sorted(path.stem for path in (FOLDER / language).glob("*.md")) == sorted(NAMES)
        assert list(library(language)) == list(NAMES)
    assert len(set(NAMES)) == len(NAMES) == sum(len(names) for names in CHAPTERS.values())


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_say_the_same(name: str) -> None:
    """The same headings, rows, code, links and words of the API; only prose differs."""

    def shape(language: str) -> dict[str, object]:
        tokens = MarkdownIt("commonmark").enable("table").parse(source(language, name))
        inner = [child for token in tokens for child in token.children or ()]
        return {
            "blocks": [token.tag for token in tokens if token.type.endswith("_open")],
            "code": [token.content for token in tokens if token.type == "fence"],
            "words": sorted(child.content for child in inner if child.type == "code_inline"),
            "links": sorted(
                str(child.attrs["href"]).partition(".md#")[0] for child in inner if child.attrs.get("href")
            ),
        }

    english, chinese = shape("en"), shape("zh")
    for what, found in english.items():
        assert found == chinese[what], what


def named(pattern: str) -> set[str]:
    return set(re.findall(pattern, everything()))


def codes(*packages: str) -> set[tuple[int | None, str]]:
    """The codes of errors that these packages raise, with their status where it is written down."""
    found: set[tuple[int | None, str]] = set()
    for package in packages:
        place = SRC / package
        for file in place.rglob("*.py") if place.is_dir() else [place]:
            tree = ast.parse(file.read_text("utf-8"))
            constants = {
                target.id: node.value.value
                for node in tree.body
                if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
                for target in node.targets
                if isinstance(target, ast.Name)
            }
            for node in ast.walk(tree):
                if not isinstance(node, ast.Call) or len(node.args) < 2:
                    continue
                function, first, second = ast.unparse(node.func), node.args[0], node.args[1]
                code, status = (second, first) if function.endswith("._refuse") else (first, second)
                if function not in {"PuyunError", "self._refuse"}:
                    continue
                text = constants.get(code.id) if isinstance(code, ast.Name) else getattr(code, "value", None)
                if text is None and (package, file.stem) in PASSED_ON:
                    continue
                assert isinstance(text, str), f"{file}:{node.lineno}"
                found.add((getattr(status, "value", None), text))
    return found


def listed(language: str, name: str) -> set[tuple[int | None, str]]:
    """The codes in a page's table, each with every status it has; None for any."""
    rows = re.findall(r"^\| ([0-9x、, ]+) \| `(\w+)` \|", source(language, name), re.MULTILINE)
    found = {(int(status), code) for told, code in rows for status in re.findall(r"\d{3}", told)}
    return found | {(None, code) for told, code in rows if "x" in told}


@pytest.mark.parametrize("language", Language)
def test_every_code_of_an_error_is_listed_with_its_status(language: Language) -> None:
    told, there = listed(language, "errors"), codes(*CALLS)
    assert {code for _, code in told} == {code for _, code in there}
    assert {(status, code) for status, code in there if status} <= told


@pytest.mark.parametrize("language", Language)
def test_every_code_of_the_control_api_is_listed_with_its_status(language: Language) -> None:
    of_people = {(400, "invalid_email")}
    assert listed(language, "control-api") == codes("control", *BENEATH) - of_people


def test_a_code_that_is_named_anywhere_is_in_the_code() -> None:
    known = {code for _, code in codes(*CALLS, "control", *BENEATH)}
    told = named(r"[45]\d\d(?: at Test)? `(\w+)`") | named(r"the error `(\w+)`") | named(r"as `(upstream\w+)`")
    assert told
    assert told <= known


def test_every_header_that_is_named_is_sent_or_read() -> None:
    code = "\n".join(
        path.read_text("utf-8").lower()
        for package in (*CALLS, "limits", "control", "web")
        for path in (SRC / package).rglob("*.py")
    )
    headers = {name.lower() for name in named(r"`((?:[Xx]-|retry-|ratelimit|server-timing)[\w-]*)`")}
    headers |= {name.lower() for name in named(r'-H "([\w-]+):')}
    assert {"x-request-id", "x-max-wait", "retry-after-ms", "ratelimit-policy", "authorization"} <= headers
    for header in headers:
        kind = re.fullmatch(r"(x-ratelimit-(?:limit|remaining|reset))-(?:requests|tokens)", header)
        assert (kind[1] if kind else header) in code, header


def test_every_path_that_is_named_is_served() -> None:
    routes = set(re.findall(r'Route\((?:f")?"?([^",]+)"?,', (SRC / "api/app.py").read_text("utf-8")))
    served = {endpoint.path for endpoint in ENDPOINTS} | {re.sub(r"\{\w+(:\w+)?\}", "*", route) for route in routes}
    told = {re.sub(r"\{\w+\}", "*", path) for path in named(r"(?<!/api)(?<!/v1)(/v1/(?!v1)[\w/{}-]+)")}
    assert told - served == {"/v1/messages", "/v1/receipts/"}, "one is said not to be served, one is put together"
    assert {endpoint.path for endpoint in ENDPOINTS} <= told


def test_every_meter_and_tier_is_told() -> None:
    told = named(r"`(\w+)`")
    assert set(TIERS) <= told
    assert {meter for meter in METERS if meter != "image"} <= told, "images are not made here"


@pytest.mark.parametrize("language", Language)
def test_every_link_among_the_pages_leads_to_a_heading(language: Language) -> None:
    pages = library(language)
    for page in pages.values():
        for target, link in re.findall(r'href="/docs/([\w-]*)#?(.*?)"', page.html + page.lead):
            fragment = unquote(link)
            known = pages[target]
            assert not fragment or fragment in {section.id for section in known.sections}, f"{page.name}: {fragment}"


PAGES = [
    Page("a", "Retries", "", "", (Section(1, "", "Retries", "Wait, then ask again."),), frozenset()),
    Page("b", "Other", "", "", (Section(1, "", "Other", "{{brand}}"), Section(2, "r", "Retry well", "x")), frozenset()),
]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("retr", ["a#", "b#r"]),
        ("RETRY", ["b#r"]),
        ("wait again", ["a#"]),
        ("wait nothing", []),
        ("puyun", ["b#"]),
        ("", []),
        ("   ", []),
    ],
)
def test_sections_that_have_every_word_are_found_best_first(asked: str, found: list[str]) -> None:
    hits = find(PAGES, asked, {"brand": "Puyun"})
    assert [f"{hit.page.name}#{hit.section.id}" for hit in hits] == found


def test_each_page_is_found_by_its_title_first() -> None:
    for language in Language:
        pages = list(library(language).values())
        values = {gap: "x" for page in pages for gap in page.gaps}
        for page in pages:
            assert find(pages, page.title, values)[0].page is page


def test_an_excerpt_is_short_text_around_the_first_word() -> None:
    text = "one " * 200 + "<b>here</b> " + "two " * 200
    shown = excerpt(text, ["here"])
    assert "&lt;b&gt;<mark>here</mark>&lt;/b&gt;" in shown
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert len(re.sub(r"<.*?>", "", shown)) < EXCERPT + 40
    assert excerpt("İstanbul", ["i"]) == "İstanbul"
    assert excerpt("nothing", ["else"]) == "nothing"


def test_pages_are_read_in_the_order_of_the_chapters() -> None:
    assert NAMES[0] == "quickstart"
    assert all(first != second for first, second in pairwise(NAMES))
