"""The command line in this process: what it printed and how it ended."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from shop import Shop

from puyun.cli.app import run
from puyun.kit.ids import request_id
from puyun.metering.usage import Usage
from puyun.storage.engine import open_engine


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.out)


Puyun = Callable[..., Ended]


@pytest.fixture
def data(tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with an empty database, named by the environment; settings of this machine play no part."""
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(migrated, folder / "puyun.db")
    monkeypatch.setenv("PUYUN_DATA", str(folder))
    monkeypatch.delenv("PUYUN_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def puyun(data: Path, capsys: pytest.CaptureFixture[str]) -> Puyun:
    def call(*arguments: str) -> Ended:
        capsys.readouterr()
        code = run(list(arguments))
        out, err = capsys.readouterr()
        return Ended(code, out, err)

    return call


@pytest.fixture
def call(data: Path) -> str:
    """A call that was sold; its request id."""
    engine = open_engine(data / "puyun.db")
    shop = Shop(engine, data / "puyun.db")
    number = shop.sell(Usage(input=1234, cached_input=3, output=567))
    shop.store.close()
    engine.dispose()
    return request_id(7, number)


CATALOG = """
[[providers]]
name = "echo"
dialect = "echo"

[[deployments]]
name = "m@echo"
provider = "echo"
upstream_model = "m"

[[models]]
name = "m"
kind = "chat"
context_length = 1000
deployments = ["m@echo"]

[[prices]]
model = "m"
tier = "flex"
input = "2.50"
output = "10.00"
"""


@pytest.fixture
def sold(puyun: Puyun, tmp_path: Path) -> Path:
    """A catalogue that was applied."""
    path = tmp_path / "catalog.toml"
    path.write_text(CATALOG)
    assert puyun("catalog", "apply", str(path)).code == 0
    return path
