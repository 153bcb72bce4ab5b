"""The supervisor over real processes: restart, stop, giving up, and a child that never outlives its parent."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from stage.waiting import PATIENCE, until

from puyun.localmodel.availability import Available, Unavailable
from puyun.localmodel.supervisor import Endpoint, LocalModel

FAKE = str(Path(__file__).with_name("fake_child.py"))
FOUND = Available(Path("/nowhere/model.gguf"))


def run(test: Coroutine[None, None, None]) -> None:
    async def limited():
        async with asyncio.timeout(PATIENCE * 3):
            await test

    asyncio.run(limited())


async def soon(condition: Callable[[], object], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - a process's end sets no event of ours
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"waited in vain for: {what}")


@asynccontextmanager
async def supervised(*behaviour: str, **options):
    """A started model and the list of what its observer was told."""
    told: list[Endpoint | None] = []
    options.setdefault("pause", lambda _: 0.05)
    model = LocalModel(FOUND, told.append, command=(sys.executable, FAKE, *behaviour), **options)
    await model.start()
    try:
        yield model, told
    finally:
        await model.stop()


def pid_at(endpoint: Endpoint) -> int:
    with urllib.request.urlopen(endpoint.base_url.removesuffix("/v1") + "/pid", timeout=PATIENCE) as answer:
        return int(answer.read())


def gone(pid: int) -> bool:
    """Ended; a zombie that nobody has waited for yet has ended too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_it_starts_without_waiting_and_tells_where_it_is():
    async def scene():
        async with supervised() as (model, told):
            assert model.state == "starting"
            assert model.endpoint() is None
            endpoint = await model.settled()
            assert endpoint
            assert model.state == "ready"
            assert model.endpoint() is endpoint
            assert told == [endpoint]
            assert endpoint.base_url.startswith("http://127.0.0.1:")
            pid = pid_at(endpoint)
        assert model.state == "stopped"
        assert model.endpoint() is None
        assert told == [endpoint, None]
        assert gone(pid)

    run(scene())


def test_the_key_goes_through_stdin_and_stays_the_same_over_a_restart(tmp_path):
    note = tmp_path / "note"

    async def scene():
        async with supervised(f"note={note}") as (model, told):
            first = await model.settled()
            assert first
            os.kill(pid_at(first), signal.SIGKILL)
            await soon(lambda: len(told) == 3, "a second endpoint")
            second = model.endpoint()
            assert second
            assert second.api_key == first.api_key
            assert first.api_key not in repr(first)
            lives = [json.loads(line) for line in note.read_text().splitlines()]
            assert [life["order"]["api_key"] for life in lives] == [first.api_key] * 2
            assert not any(first.api_key in argument for life in lives for argument in life["argv"])

    run(scene())


def test_two_supervisors_have_two_keys():
    async def scene():
        async with supervised() as (one, _), supervised() as (other, _):
            first, second = await one.settled(), await other.settled()
            assert first
            assert second
            assert first.api_key != second.api_key

    run(scene())


def test_a_killed_child_is_replaced_after_a_pause():
    pauses: list[int] = []

    def pause(failures: int) -> float:
        pauses.append(failures)
        return 0.2

    async def scene():
        async with supervised(pause=pause) as (model, told):
            first = await model.settled()
            assert first
            victim = pid_at(first)
            os.kill(victim, signal.SIGKILL)
            await soon(lambda: model.state == "restarting", "the child's end to be seen")
            assert told == [first, None]
            assert model.endpoint() is None
            await soon(lambda: model.state == "ready", "the next child")
            second = model.endpoint()
            assert second
            assert pid_at(second) != victim
            os.kill(pid_at(second), signal.SIGKILL)
            await soon(lambda: len(told) == 5, "a third child")

    run(scene())
    assert pauses == [1, 2]


def test_a_child_that_never_comes_up_is_given_up_with_its_last_words():
    async def scene():
        tries = [0.01, 0.01, None]
        async with supervised("fail", pause=lambda failures: tries[failures - 1]) as (model, told):
            assert await model.settled() is None
            assert model.state.startswith("unavailable: ")
            assert "no luck today" in model.state
            assert "exit code 1" in model.state
            assert told == []

    run(scene())


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("mute", "did not come up within 1 s"),
        ("babble", "did not say its port"),
        ("refuse", "the engine cannot serve that"),
        ("sick", "status 503"),
    ],
)
def test_a_child_that_cannot_be_used_is_ended(behaviour, words, tmp_path):
    async def scene():
        limit = 1 if behaviour == "mute" else PATIENCE
        async with supervised(behaviour, pause=lambda _: None, start_limit=limit) as (model, told):
            assert await model.settled() is None
            assert words in model.state
            assert told == []

    run(scene())


def test_a_command_that_does_not_exist_is_a_reason():
    async def scene():
        model = LocalModel(FOUND, lambda _: None, command=("/nowhere/python",), pause=lambda _: None)
        await model.start()
        assert await model.settled() is None
        assert "could not be started" in model.state
        await model.stop()

    run(scene())


def test_a_talkative_child_does_not_stall():
    async def scene():
        async with supervised("loud") as (model, _):
            endpoint = await model.settled()
            assert endpoint
            pid = pid_at(endpoint)
        assert gone(pid)

    run(scene())


def test_a_child_that_ignores_sigterm_is_killed():
    async def scene():
        async with supervised("deaf", stop_limit=0.3) as (model, _):
            endpoint = await model.settled()
            assert endpoint
            pid = pid_at(endpoint)
        assert gone(pid)

    run(scene())


def test_stop_in_the_middle_of_a_start_leaves_no_child(tmp_path):
    note = tmp_path / "note"

    async def scene():
        async with supervised("mute", f"note={note}") as (model, told):
            await soon(note.exists, "the child to run")
        assert model.state == "stopped"
        assert told == []
        assert await model.settled() is None

    run(scene())


def test_stopped_it_can_be_started_again():
    async def scene():
        async with supervised() as (model, told):
            assert await model.settled()
            await model.stop()
            await model.start()
            assert await model.settled()
            assert [bool(endpoint) for endpoint in told] == [True, False, True]

    run(scene())


def test_an_unavailable_model_starts_nothing():
    async def scene():
        told = []
        model = LocalModel(Unavailable("no wheel for this machine"), told.append, command=("/nowhere/python",))
        assert model.state == "unavailable: no wheel for this machine"
        await model.start()
        assert await model.settled() is None
        await model.stop()
        assert model.state == "unavailable: no wheel for this machine"
        assert told == []

    run(scene())


PARENT = """
import asyncio, sys
from pathlib import Path
from puyun.localmodel.availability import Available
from puyun.localmodel.supervisor import LocalModel

async def main():
    model = LocalModel(Available(Path("/nowhere")), lambda _: None, command=sys.argv[1:])
    await model.start()
    print((await model.settled()).base_url, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_child_dies_with_its_killed_parent():
    with subprocess.Popen([sys.executable, "-c", PARENT, sys.executable, FAKE], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        pid = pid_at(Endpoint(parent.stdout.readline().decode().strip(), ""))
        assert not gone(pid)
        parent.kill()
        until(lambda: gone(pid), "the child's end after its stdin ended")


def test_a_child_dies_with_its_parent_even_if_somebody_else_holds_its_stdin():
    """The parent may have forked: the pipe then stays open in the fork."""
    spawn = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(3600)"
    command = [sys.executable, "-c", spawn, sys.executable, FAKE, "deathsig"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin
        assert parent.stdout
        parent.stdin.write(b"{}\n")
        parent.stdin.flush()
        port = json.loads(parent.stdout.readline())["port"]
        pid = pid_at(Endpoint(f"http://127.0.0.1:{port}/v1", ""))
        parent.kill()
        until(lambda: gone(pid), "the child's end by the kernel")
