import pytest
from stage.pages import Site


@pytest.fixture
def pages(tmp_path, migrated):
    site = Site(tmp_path, migrated)
    yield site
    site.close()
