import pytest
from stage.pages import Site
from starlette.testclient import TestClient


@pytest.fixture
def pages(tmp_path, migrated):
    site = Site(tmp_path, migrated)
    yield site
    site.close()


@pytest.fixture
def client(pages):
    return TestClient(pages.app, follow_redirects=False)
