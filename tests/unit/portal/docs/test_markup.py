import re

import pytest

from puyun.portal.docs.markup import Words, fill, fill_html, render, slug

WORDS = Words("Copy", "Copied")


def page(body: str = "", *, title: str = "A page", lead: str = "What it is about."):
    return render("page", f"# {title}\n\n{lead}\n\n{body}", WORDS)


def test_title_and_first_paragraph_stand_apart_from_the_rest() -> None:
    made = page("The rest.", lead="About *this*.")
    assert (made.title, made.lead, made.html) == ("A page", "About <em>this</em>.", "<p>The rest.</p>\n")
    assert made.address == "/docs/page"


@pytest.mark.parametrize("source", ["", "No title.", "# Title alone", "# Title\n\n- a list\n- first"])
def test_a_page_without_title_or_first_paragraph_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="a page begins with"):
        render("page", source, WORDS)


def test_headings_have_anchors_of_their_own_and_are_its_contents() -> None:
    made = page("## Who pays?\n\none `two`\n\n### 收据\n\nthree\n\n## Who pays?\n\n```sh\nfour\n```\n")
    assert [(each.level, each.id, each.text) for each in made.sections] == [
        (1, "", "What it is about."),
        (2, "who-pays", "one two"),
        (3, "收据", "three"),
        (2, "who-pays-2", "four\n"),
    ]
    assert re.findall(r'<h(\d) id="(.*?)">', made.html) == [("2", "who-pays"), ("3", "收据"), ("2", "who-pays-2")]
    assert made.contents == made.sections[1:]


def test_an_anchor_is_never_given_twice() -> None:
    assert slug("?!") == "section"
    assert slug("A b", ["a-b", "a-b-2"]) == "a-b-3"


@pytest.mark.parametrize(
    ("target", "leads"),
    [
        ("errors.md", "/docs/errors"),
        ("errors.md#in-a-stream", "/docs/errors#in-a-stream"),
        ("site:/portal/keys", "/portal/keys"),
        ("#here", "#here"),
    ],
)
def test_links_lead_to_pages_of_this_server(target: str, leads: str) -> None:
    assert f'<a href="{leads}">there</a>' in page(f"[there]({target})").html
    assert f'<a href="{leads}">there</a>' in page(lead=f"[there]({target})").lead


def test_a_link_to_elsewhere_tells_nobody_whence() -> None:
    assert 'rel="noreferrer"' in page("[RFC](https://www.rfc-editor.org/rfc/rfc8785)").html


@pytest.mark.parametrize("target", ["http://example.com", "../errors.md", "/portal/keys", "mailto:a@b"])
def test_a_link_of_another_kind_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="neither a page here nor an address"):
        page(f"[there]({target})")


def test_blocks_of_code_that_follow_one_another_are_tabs() -> None:
    made = page("## Do it\n\n```sh curl\ncurl <x>\n```\n\n```python\nprint()\n```\n\ntext\n\n```json Answer\n{}\n```\n")
    boxes = made.html.split('<div id="code-')[1:]
    assert [re.findall(r'data-title="(\w+)"', box) for box in boxes] == [["curl", "Python"], ["Answer"]]
    assert 'data-tabs data-copy="Copy" data-copied="Copied" aria-label="Do it"' in boxes[0]
    assert "<code>curl &lt;x&gt;</code>" in boxes[0]


def test_html_is_text() -> None:
    made = page("<script>alert(1)</script>\n\na <b>b</b>")
    assert "<script>" not in made.html
    assert "<b>" not in made.html


def test_heads_of_tables_say_something_or_are_not_there() -> None:
    bare = page("| | |\n|---|---|\n| a | b |\n").html
    assert "<thead>" not in bare
    assert bare.count("<td>") == 2
    named = page("| name | |\n|---|---|\n| a | b |\n").html
    assert re.findall(r"<t[hd]\b[^>]*>", named) == ['<th scope="col">', "<td>", "<td>", "<td>"]


def test_what_is_put_in_is_text_in_html() -> None:
    made = page("call `{{model}}`")
    assert made.gaps == {"model"}
    assert fill_html(made.html, {"model": "<b>&"}) == "<p>call <code>&lt;b&gt;&amp;</code></p>\n"
    assert fill("{{model}}{{model}}", {"model": "{{x}}"}) == "{{x}}{{x}}"
    with pytest.raises(KeyError):
        fill_html(made.html, {})
