import re
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from puyun.web.assets import FOREVER, Assets

STATIC = Path(__file__).parents[3] / "src/puyun/web/static"


@pytest.fixture
def assets():
    return Assets()


@pytest.fixture
def client(assets):
    return TestClient(Starlette(routes=assets.routes()))


def test_a_file_is_kept_for_ever_under_the_address_of_its_content(assets, client):
    answer = client.get(assets.url("css/tokens.css"))
    assert answer.text == (STATIC / "css/tokens.css").read_text()
    assert answer.headers["cache-control"] == FOREVER
    assert answer.headers["content-type"].startswith("text/css")
    assert answer.headers["content-encoding"] == "gzip"


def test_an_old_address_gives_the_file_of_today_but_not_for_ever(client):
    answer = client.get("/static/0123456789ab/css/tokens.css")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"


def test_without_compression_the_file_comes_plain(assets, client):
    answer = client.get(assets.url("js/app.js"), headers={"accept-encoding": "identity"})
    assert "content-encoding" not in answer.headers
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize("name", ["nothing.css", "../site.py", "css", ""])
def test_there_are_no_other_files(client, name):
    assert client.get(f"/static/x/{name}").status_code == 404


def test_a_template_cannot_name_a_missing_file(assets):
    with pytest.raises(KeyError):
        assets.url("css/missing.css")


def test_the_icon_is_where_browsers_look(client):
    assert client.get("/favicon.ico").headers["content-type"] == "image/svg+xml"


def test_what_was_taken_from_others_has_its_licence_beside_it():
    vendored = {path.stem for path in (STATIC / "vendor").iterdir() if path.suffix == ".js"}
    licensed = {path.stem for path in (STATIC / "vendor").iterdir() if path.suffix == ".LICENSE"}
    assert vendored == licensed != set()
    assert "ISC" in (STATIC.parent / "icons/LICENSE").read_text()


def test_no_file_asks_another_site_for_anything():
    for path in STATIC.rglob("*"):
        if path.suffix in {".css", ".js"} and path.parent.name != "vendor":
            assert not re.findall(r"https?://(?!www\.w3\.org)", path.read_text()), path
