import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

import puyun as package
from puyun.cli import app
from puyun.kit.errors import Blame, PuyunError

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"
HEAVY = ("sqlalchemy", "alembic", "starlette", "uvicorn", "jinja2", "rich", "argon2", "asyncio", "genai_prices")


def test_help_needs_nothing_heavy() -> None:
    code = f"import sys, puyun.cli.app; print(*[name for name in {HEAVY} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def commands(group: object = None, path: str = "puyun") -> dict[str, list[str]]:
    """Every command with its options."""
    group = group or typer.main.get_command(app.app)
    found: dict[str, list[str]] = {}
    for name, command in group.commands.items():
        place = f"{path} {name}"
        if hasattr(command, "commands"):
            found |= commands(command, place)
        else:
            found[place] = [
                each
                for option in command.params
                for each in (*option.opts, *option.secondary_opts)
                if each.startswith("--")
            ]
    return found


def test_the_reference_has_every_command_and_option_and_no_other() -> None:
    text = REFERENCE.read_text("utf-8")
    sections = {part.splitlines()[0].strip("# `"): part for part in text.split("\n## ")[1:]}
    shared = {"--data", "--config", "--json", "--help"}
    for command, options in commands().items():
        assert command in sections, f"docs/reference/cli.md has no section `{command}`"
        missing = [option for option in options if option not in shared and f"`{option}" not in sections[command]]
        assert not missing, f"docs/reference/cli.md, `{command}`: {missing} are missing"
        rows = "".join(line.split(" | ")[0] for line in sections[command].splitlines() if line.startswith("| `"))
        gone = set(re.findall(r"--[a-z-]+", rows)) - set(options)
        assert not gone, f"docs/reference/cli.md, `{command}`: {gone} do not exist"
    documented = [name for name in sections if name.startswith("puyun ")]
    assert documented == list(commands()), "docs/reference/cli.md has commands in another order, or ones that are gone"


def test_every_command_that_opens_a_database_takes_data_and_config() -> None:
    simulations = {"puyun simulate holds", "puyun simulate tiers"}
    without = {"puyun mock-upstream", "puyun bench", "puyun catalog import-prices"} | simulations
    for command, options in commands().items():
        assert ({"--data", "--config"} <= set(options)) == (command not in without), command


def test_version(puyun) -> None:
    assert puyun("--version").out == f"puyun {package.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "No such command"),
        (["org", "create"], "Missing argument"),
        (["org", "list", "--nonsense"], "No such option"),
    ],
)
def test_wrong_usage_is_exit_2(puyun, arguments: list[str], says: str) -> None:
    ended = puyun(*arguments)
    assert ended.code == 2
    assert says in ended.err
    assert ended.out == ""


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (PuyunError("x", 404, "Gone. Look."), 3, "Error: Gone.\nWhy:   It breaks the rule x.\nDo:    Look.\n"),
        (PuyunError("x", 409, "No"), 1, "Error: No.\n"),
        (PuyunError("x", 400, "No"), 2, "Error: No.\n"),
        (PuyunError("x", 500, "Oh", blame=Blame.US), 70, "Error: Oh.\n"),
        (ValueError("oh"), 70, "Error: ValueError: oh\nWhy:   This is a bug of puyun"),
        (RuntimeError("database is locked"), 1, "The database is busy."),
        (PermissionError(13, "no", "/x"), 1, "The operating system refused it."),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_how_it_fails(puyun, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, says: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("puyun.storage.identity.list_organizations", fail)
    ended = puyun("org", "list")
    assert ended.code == code
    assert ended.err.startswith(says) or says in ended.err
    assert "Traceback" not in ended.err


def test_debug_shows_the_traceback(puyun) -> None:
    assert "Traceback" in puyun("--debug", "org", "show", "nobody").err
    assert "Traceback" not in puyun("org", "show", "nobody").err
