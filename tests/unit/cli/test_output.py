import io
import sys

import pytest

from puyun.cli import output

ROWS = [{"name": "a" * 200, "amount": "1.50", "hidden": 1}, {"name": "[red]b", "amount": "22.25", "hidden": 2}]


def test_a_table_elsewhere_than_on_a_terminal_is_not_cut_off(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit(ROWS, {"name": "name", "amount": "amount"}, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "amount"]
    assert lines[1].split() == ["a" * 200, "1.50"]
    assert lines[2].split() == ["[red]b", "22.25"]
    assert lines[1].index("1.50") == lines[2].index("22.25") + 1


def test_json_has_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit(ROWS[:1], {"amount": "amount"}, as_json=True)
    assert '"hidden": 1' in capsys.readouterr().out


def test_csv_has_a_header_even_without_rows(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit_csv([], ["a", "b"])
    output.emit_csv([{"a": "x,y", "b": 1}], ["a", "b"])
    assert capsys.readouterr().out == 'a,b\na,b\n"x,y",1\n'


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        ("", "-"),
        ([], "-"),
        (True, "yes"),
        (["a", "b"], "a, b"),
        ({"email": "a", "role": "owner"}, "email a role owner"),
        ("2026-11-25T01:02:03.000004Z", "2026-11-25T01:02:03Z"),
        ("0.000004", "0.000004"),
        (7, "7"),
    ],
)
def test_how_a_person_reads_it(value: object, shown: str) -> None:
    assert output.text(value) == shown


def test_progress_is_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress("audit") as step:
        step(1, 2)
    assert capsys.readouterr() == ("", "")


def test_progress_draws_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with output.progress("audit") as step:
        step(2, 2)
    assert "audit" in terminal.getvalue()
