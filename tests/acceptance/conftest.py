"""Fixtures of tests that kill and restart at will: a data directory of their own each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from stage.browser import Chromium
from stage.newcomer import TERMS
from stage.platform import Platform
from stage.site import Site
from stage.upstream import MockUpstream


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Coverage is of what tests reach in their own process; these drive others, from outside, and are quicker so."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture(scope="session")
def _founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("founded")
    mock = MockUpstream(folder)
    try:
        yield Site.found(folder, mock)
    finally:
        mock.child.stop()


@pytest.fixture
def site(_founded: Site, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    """One organization, nothing running yet; what runs in the end is killed."""
    site = _founded.copy(tmp_path, request.node.name)
    yield site
    print(site.stop()[-20_000:])


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A running platform where strangers may sign up, with credit."""
    with Platform(tmp_path_factory.mktemp("open"), **TERMS) as running:
        yield running


@pytest.fixture(scope="session")
def _chromium() -> Iterator[Chromium]:
    with Chromium() as chromium:
        yield chromium


@pytest.fixture
def browser(_chromium: Chromium) -> Iterator[Browser]:
    """A real one, the same for every test of a process: a test's windows have contexts of their own."""
    with _chromium.lent() as browser:
        yield browser
