import json
from pathlib import Path

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
