"""Crash points: the table of names is what the code passes and what the reference lists; nothing dies unasked."""

import ast
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import puyun
from puyun.kit.errors import PuyunError
from puyun.system import crash

SRC = Path(puyun.__file__).parent
REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "crash-points.md"


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    crash.arm("")


def test_every_place_is_somewhere_in_the_code() -> None:
    trees = [ast.parse(path.read_text()) for path in SRC.rglob("*.py") if path.name != "crash.py"]
    texts = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert [name for name in crash.POINTS if name not in texts] == []


def test_no_place_in_the_code_is_missing_in_the_table() -> None:
    passed = {
        node.args[0].value
        for path in SRC.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"crash.reached", "crash.torn"}
        and isinstance(node.args[0], ast.Constant)
    }
    assert len(passed) > 10
    assert passed - crash.POINTS.keys() == set()


def test_the_reference_lists_the_table() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+?) \| .+ \|$", REFERENCE.read_text("utf-8"), re.MULTILINE)
    assert rows == list(crash.POINTS.items())


@pytest.mark.parametrize("text", ["nowhere", "settle-committed:", "settle-committed:0", "settle-committed:x", ":3"])
def test_a_name_that_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(
        PuyunError, match=r"names no place to die at; expected NAME or NAME:N, NAME one of call-admitted"
    ):
        crash.arm(text)


def test_places_that_are_not_armed_are_passed() -> None:
    crash.arm("settle-committed:2")
    for name in crash.POINTS:
        crash.reached(name)
    crash.arm("")
    for name in crash.POINTS:
        crash.reached(name)


def test_it_dies_at_the_passing_that_was_asked_for() -> None:
    counted = Counter(
        _died("for n in range(9): print(n, flush=True); crash.reached('call-held')", "call-held:4").split()
    )
    assert counted == Counter("0123")


def test_things_that_pass_together_pass_one_by_one() -> None:
    assert (
        _died("crash.reached_by({int: 'call-held', str: 'call-sent'}, [1, 'a', 2]); print('alive')", "call-held:2")
        == ""
    )


def test_half_of_the_last_bytes_leave() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        code = f"""
import asyncio, socket
async def main():
    _, writer = await asyncio.open_connection(sock=socket.socket(fileno={theirs.fileno()}))
    crash.torn('last-bytes-torn', writer.transport, b'12345678')
asyncio.run(main())
"""
        _died(code, "last-bytes-torn", theirs.fileno())
        assert ours.recv(100) == b"1234"


def _died(code: str, place: str, *descriptors: int) -> str:
    """What a process printed before it died."""
    script = f"from puyun.system import crash; crash.arm({place!r})\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, pass_fds=descriptors, timeout=60
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stdout
