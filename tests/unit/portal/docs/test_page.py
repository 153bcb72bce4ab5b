import re
from html import unescape

import pytest
from stage.control import serve_control
from stage.pagelist import OTHERS, PAGES
from stage.pages import CHAT, EMBEDDING, Site
from stage.visitor import EMAIL, signed_in
from starlette.testclient import TestClient

from puyun.config import Brand
from puyun.portal.docs.library import NAMES

CHINESE = {"accept-language": "zh-CN"}


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_every_page_is_filled_with_this_service(client: TestClient, language: str) -> None:
    for name in NAMES:
        answer = client.get(f"/docs/{name}", headers={"accept-language": language, "host": "api.acme.example"})
        assert answer.status_code == 200, name
        assert not re.search(r"\{\{\w+\}\}", answer.text), name
        assert answer.text.count('aria-current="page"') == 3, "in the header, and in both lists of pages"
        assert ("http://api.acme.example" in answer.text) == (name not in {"keys", "errors", "models"}), name
        assert ("上一页" in answer.text) == (language == "zh-CN"), name


def test_the_index_leads_to_every_page(client: TestClient) -> None:
    text = client.get("/docs").text
    assert all(text.count(f'href="/docs/{name}"') == 2 for name in NAMES)
    assert client.get("/docs/nothing").status_code == 404
    assert client.get("/").text.count('href="/docs"') == 3


def test_examples_name_what_is_sold(pages: Site, client: TestClient) -> None:
    text = client.get("/docs/quickstart").text
    assert "&#34;puyun/demo&#34;" in text or "&quot;puyun/demo&quot;" in text, "the cheapest at Flex"
    pages.prices.models[:] = [CHAT, EMBEDDING]
    pages.prices.revision += 1
    assert "gpt-4o" in client.get("/docs/quickstart").text
    assert "not sold here at the moment" not in client.get("/docs/endpoints").text
    assert EMBEDDING.name in client.get("/docs/endpoints").text


def test_where_nothing_is_sold_it_says_so(pages: Site, client: TestClient) -> None:
    pages.prices.models.clear()
    pages.prices.revision += 1
    for name in ("quickstart", "endpoints"):
        assert "The examples name a model that is not sold here at the moment." in client.get(f"/docs/{name}").text
    assert "not sold here at the moment" not in client.get("/docs/errors").text


def test_members_are_told_where_their_keys_are(pages: Site, client: TestClient) -> None:
    pages.person(EMAIL, pages.organization("acme"))
    note = "Your keys are under"
    assert note not in client.get("/docs/quickstart").text
    assert note in signed_in(pages).get("/docs/quickstart").text
    assert note not in signed_in(pages).get("/docs/errors").text


def test_what_a_visitor_or_an_operator_writes_is_text(tmp_path, migrated) -> None:
    site = Site(tmp_path, migrated, brand=Brand(name="<b>&co"))
    client = TestClient(site.app)
    for path in ("/docs/quickstart", "/docs", "/docs?q=%3Cb%3E"):
        assert "<b>" not in client.get(path).text
    site.close()


def test_the_search_finds_without_a_script(client: TestClient) -> None:
    text = client.get("/docs?q=retry-after").text
    assert "<mark>retry-after</mark>" in text
    assert 'href="/docs/limits#' in text
    assert 'value="retry-after"' in text
    text = client.get("/docs", params={"q": "签名"}, headers=CHINESE).text
    assert 'href="/docs/billing#收据"' in text
    assert "Nothing has all of these words." in client.get("/docs?q=qwertz").text
    assert client.get("/docs", params={"q": "x" * 5000}).status_code == 200
    assert client.get("/docs?q=+").text.count("docs-chapter") == 4


def test_every_link_leads_to_something(pages: Site, client: TestClient) -> None:
    """To a page, to what only members see, or to the control API's reference."""
    control = TestClient(serve_control(pages))
    known = {page.path for page in PAGES} | OTHERS.keys()
    links = {
        unescape(link).partition("#")[0]
        for name in NAMES
        for link in re.findall(r'href="(/[^"]*)"', client.get(f"/docs/{name}").text)
    }
    for link in links:
        path = link.partition("?")[0]
        if path.startswith("/api/v1/"):
            assert control.get(link).status_code == 200, link
        elif not link.startswith("/static/") and path not in known:
            assert client.get(link).status_code in {200, 303}, link


def test_programs_find_the_description_of_the_control_api(pages: Site) -> None:
    answer = TestClient(serve_control(pages)).get("/openapi.json")
    assert answer.status_code == 200
    assert answer.json()["servers"] == [{"url": "/api/v1"}]
