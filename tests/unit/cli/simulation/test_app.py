import json
from pathlib import Path

from puyun.sim.tiers import compare as module

HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens\n"


def test_the_same_seed_prints_the_same_bytes(puyun) -> None:
    first, again = (puyun("simulate", "holds", "--calls", "300", "--seed", "5").out for _ in range(2))
    assert first == again
    assert first != puyun("simulate", "holds", "--calls", "300", "--seed", "6").out
    assert [line.split()[0] for line in first.splitlines()] == ["policy", "steps", "full"]


def test_a_recorded_trace(puyun, tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text(HEAD + "".join(f"2023-11-16 18:17:{n:02}.0000000,{n + 10},{n + 1}\n" for n in range(60)))
    steps, full = json.loads(puyun("simulate", "holds", "--trace", str(trace), "--json").out)
    assert (steps["policy"], full["policy"]) == ("steps", "full")
    assert steps["calls"] == steps["completed"] == 60


def test_a_file_that_is_no_trace(puyun, tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("when,what\n1,2\n")
    found = puyun("simulate", "holds", "--trace", str(trace))
    assert found.code == 2
    assert "is no trace" in found.err


def test_tiers_are_compared_and_judged(puyun, tmp_path: Path) -> None:
    page = tmp_path / "tiers.html"
    found = puyun("simulate", "tiers", "all-429", "--policy", "puyun", "--policy", "fifo", "--html", str(page))
    assert found.code == 0
    assert [line.split()[:2] for line in found.out.splitlines()[1:3]] == [["all-429", "puyun"], ["-", "-"]]
    assert "A call waits though a seat is free that it may have" in found.out
    assert "A call waits though a seat is free that it may have" in page.read_text("utf-8")
    assert "--accent" in page.read_text("utf-8")


def test_tiers_as_json(puyun) -> None:
    found = puyun("simulate", "tiers", "all-429", "--policy", "fifo", "--seed", "4", "--json").json
    assert found["seed"] == 4
    (run,) = found["scenarios"][0]["runs"]
    assert (run["policy"], run["tiers"][0]["tier"]) == ("fifo", "enterprise")
    assert "series" not in run


def test_a_recorded_trace_is_a_scenario(puyun, tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text(HEAD + "".join(f"2023-11-16 18:17:{n:02}.0000000,{n + 10},{n * 9 + 1}\n" for n in range(60)))
    found = puyun("simulate", "tiers", "trace", "--trace", str(trace), "--policy", "priority", "--json")
    assert found.code == 0
    assert found.json["scenarios"][0]["name"] == "trace"


def test_tiers_that_cannot_be_simulated(puyun, tmp_path: Path) -> None:
    assert puyun("simulate", "tiers", "weights", "--policy", "luck").code == 2
    assert puyun("simulate", "tiers", "trace").code == 3
    for text in ("when,what\n1,2\n", HEAD):
        trace = tmp_path / "trace.csv"
        trace.write_text(text)
        assert puyun("simulate", "tiers", "trace", "--trace", str(trace)).code == 2


def test_strict_makes_a_missed_figure_exit_1(puyun, monkeypatch) -> None:
    missed = module.Target(1, "a figure", "0", "1", kept=False)
    assert puyun("simulate", "tiers", "all-429", "--policy", "fifo", "--strict").code == 0
    monkeypatch.setattr(module, "targets", lambda _: [missed])
    found = puyun("simulate", "tiers", "all-429", "--policy", "fifo", "--strict")
    assert found.code == 1
    assert "misses a figure" in found.err
