import sys
from pathlib import Path

import pytest

from puyun.config import Settings


def test_migrate_makes_a_database_and_then_has_nothing_to_do(puyun, tmp_path: Path) -> None:
    other = str(tmp_path / "other")
    first = puyun("migrate", "--data", other, "--json").json
    assert (first["from"], first["changed"]) == (None, True)
    second = puyun("migrate", "--data", other, "--json").json
    assert (second["from"], second["changed"]) == (first["to"], False)


def test_serve_hands_over_settings_and_options(puyun, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[tuple[Settings, bool]] = []
    monkeypatch.setattr("puyun.wiring.serve", lambda settings, *, demo: served.append((settings, demo)))
    assert puyun("serve", "--port", "0", "--host", "0.0.0.0", "--no-demo").code == 0
    assert puyun("serve").code == 0
    (first, demo), (second, usual) = served
    assert (first.server.port, first.server.host, first.data, demo) == (0, "0.0.0.0", data, False)
    assert (second.server.port, usual) == (8000, True)


def test_a_wrong_port_is_refused_before_anything_starts(puyun) -> None:
    ended = puyun("serve", "--port", "99999")
    assert (ended.code, "command line: server.port: 99999" in ended.err) == (2, True)


def test_the_mock_upstream_is_started(puyun, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    monkeypatch.setattr("puyun.mockupstream.run", lambda *arguments: started.append(arguments))
    assert puyun("mock-upstream", "--port", "0", "--journal", "j").code == 0
    assert started == [("127.0.0.1", 0, Path("j"))]


def test_bench_needs_a_source_checkout(puyun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("puyun.cli.serving.SOURCE", tmp_path)
    ended = puyun("bench", "--quick")
    assert (ended.code, "make bench" in ended.err) == (1, True)


def test_bench_passes_its_options_on(puyun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__main__.py").touch()
    monkeypatch.setattr("puyun.cli.serving.SOURCE", tmp_path)
    ran: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda _path, arguments: ran.append(arguments))
    assert puyun("bench", "--quick", "--help").code == 0
    assert ran == [[sys.executable, "-m", "bench", "--quick", "--help"]]
