"""Fixtures of every kind of test."""

from collections.abc import Iterator

import pytest
from stage.platform import Platform


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A running platform, one for each test process; its audit must be clean at the end."""
    with Platform(tmp_path_factory.mktemp("platform")) as running:
        yield running


@pytest.fixture
def own_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One that a test may stop or kill; it must run at the end."""
    with Platform(tmp_path_factory.mktemp("own"), PUYUN_SERVER__SHUTDOWN_SECONDS="8") as running:
        yield running
