import json
import subprocess
import sys

import pytest

from bench import __main__ as command
from bench.columns import COLUMNS
from bench.columns.column import ROOT
from bench.run import Outcome
from bench.scenarios import Options

pytestmark = pytest.mark.xdist_group("bench-native")


def test_names_are_taken_in_the_order_of_the_table():
    assert command.choose("b,a", ["a", "b", "c"]) == ["a", "b"]
    assert command.choose(None, ["a", "b"]) == ["a", "b"]


def test_an_unknown_name_is_refused_with_those_that_exist():
    with pytest.raises(SystemExit, match="unknown: x; known: a, b"):
        command.choose("a,x", ["a", "b"])


def test_what_is_not_installed_is_left_out_unless_asked_for(monkeypatch, capsys):
    monkeypatch.setattr(COLUMNS["litellm"], "available", lambda: False)
    assert "litellm" not in [column.name for column in command.installed(None)]
    assert "litellm" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="make bench-peers"):
        command.installed("direct,litellm")


@pytest.mark.parametrize("words", [["--seconds", "0"], ["--seconds", "301"], ["--rounds", "0"], ["walk"]])
def test_a_run_has_bounds(words):
    with pytest.raises(SystemExit) as refused:
        command.parse(words)
    assert refused.value.code == 2


def test_the_file_holds_every_round_and_every_budget(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results")
    outcome = Outcome(faults=["puyun: 3 calls completed, 2 settled"])
    for value in (70.0, 90.0, 81.0):
        outcome.add("plain", "puyun", {"cpu_us": value})
    path = command.save(outcome, Options(), [COLUMNS["direct"]])
    content = json.loads(path.read_text())
    assert [sample["cpu_us"] for sample in content["samples"]["plain"]["puyun"]] == [70.0, 90.0, 81.0]
    assert content["budgets"]["CPU per call"] == {"measured": [70.0, 81.0, 90.0], "limit": 80, "kept": False}
    assert content["faults"] == outcome.faults
    assert path.name == f"{content['machine']['when'][:10]}-{content['machine']['commit'].rstrip('+')}.json"


def test_a_short_run_prints_the_table():
    words = ["--quick", "--columns", "direct", "--rows", "plain,burst", "--seconds", "0.2"]
    done = subprocess.run(
        [sys.executable, "-m", "bench", *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "calls per second" in done.stdout
    assert "load generator, of its core" in done.stdout
    assert "FAULT" not in done.stdout
