import pytest
from stage.control import serve_control, token
from stage.pages import Site
from starlette.testclient import TestClient

from puyun.kit.clock import ManualClock, parse_instant

NOW = parse_instant("2026-03-15T12:30:00Z")


@pytest.fixture
def pages(tmp_path, migrated):
    site = Site(tmp_path, migrated, clock=ManualClock(NOW))
    yield site
    site.close()


@pytest.fixture
def app(pages):
    return serve_control(pages)


@pytest.fixture
def engines(pages):
    return pages.organization("Engines")


@pytest.fixture
def ada(pages, engines):
    return pages.person("ada@example.com", engines)


@pytest.fixture
def issued(pages, engines, ada):
    return token(pages, engines, ada)


@pytest.fixture
def client(app, issued):
    """With a token of an owner that has every scope."""
    return TestClient(
        app,
        base_url="http://testserver/api/v1",
        headers={"authorization": f"Bearer {issued.secret}"},
        raise_server_exceptions=False,
    )
