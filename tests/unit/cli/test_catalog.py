import io
from pathlib import Path

import pytest


def changed(path: Path, old: str, new: str) -> str:
    path.write_text(path.read_text().replace(old, new))
    return str(path)


def test_applying_prints_what_changes_and_again_nothing(puyun, sold: Path) -> None:
    assert puyun("catalog", "apply", str(sold)).out == "Nothing to change.\n"
    lines = puyun("catalog", "apply", changed(sold, "2.50", "2.75"), "--json").json
    assert lines["applied"] is True
    assert [line for line in lines["changes"] if "2.75" in line] == lines["changes"]


def test_a_dry_run_changes_nothing(puyun, sold: Path) -> None:
    path = changed(sold, "2.50", "2.75")
    assert "2.75" in puyun("catalog", "apply", path, "--dry-run").out
    assert "2.75" not in puyun("catalog", "export").out


def test_a_broken_file_is_refused_as_a_whole_with_its_lines(puyun, sold: Path) -> None:
    path = changed(changed(sold, "2.50", "2.75") and sold, 'kind = "chat"', 'kind = "chatt"')
    ended = puyun("catalog", "apply", path)
    assert ended.code == 1
    assert "line 13" in ended.err
    assert "was not applied" in ended.err
    assert "2.75" not in puyun("catalog", "export").out
    assert puyun("catalog", "check", path).code == 6


def test_an_implausible_price_needs_force(puyun, sold: Path) -> None:
    path = changed(sold, "2.50", "2500.00")
    assert puyun("catalog", "apply", path).code == 1
    assert puyun("catalog", "apply", path, "--force").code == 0


def test_a_check_looks_without_applying(puyun, sold: Path) -> None:
    assert puyun("catalog", "check", str(sold)).out.endswith("no faults.\n")
    path = changed(sold, '"m@echo"]', '"zz@echo"]')
    ended = puyun("catalog", "check", path, "--json")
    assert ended.code == 6
    assert any("zz@echo" in fault["message"] for fault in ended.json["faults"])


def test_a_check_needs_no_database(puyun, sold: Path, tmp_path: Path) -> None:
    other = tmp_path / "nowhere"
    assert puyun("catalog", "check", str(sold), "--data", str(other)).code == 0
    assert not other.exists()


def test_an_export_applies_as_it_is(puyun, sold: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    exported = puyun("catalog", "export").out
    monkeypatch.setattr("sys.stdin", io.StringIO(exported))
    assert puyun("catalog", "apply", "-", "--data", str(tmp_path / "other")).code == 0
    assert puyun("catalog", "export", "--data", str(tmp_path / "other")).out == exported
    assert puyun("catalog", "export", "--json").json["models"][0]["name"] == "m"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read(puyun, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "file.toml"
    if content is not None:
        path.write_bytes(content)
    assert puyun("catalog", "apply", str(path)).code == (3 if content is None else 2)


def test_a_starter_catalogue_applies(puyun, tmp_path: Path) -> None:
    target = tmp_path / "starter.toml"
    assert puyun("catalog", "import-prices", "--markup", "flex=1.5", "--output", str(target)).code == 0
    assert puyun("catalog", "import-prices", "--markup", "flex=1.5").out == target.read_text()
    assert puyun("catalog", "apply", str(target)).code == 0
    assert {row["tier"] for row in puyun("price", "list", "--json").json} == {"flex"}
    assert puyun("catalog", "import-prices", "--markup", "gold=1").code == 2
