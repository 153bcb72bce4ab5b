"""A server with several workers: as one, whichever of its processes is killed."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from openai import OpenAI
from stage.bill import charge, nano
from stage.catalogue import ONE_SEAT
from stage.crew import CHAT, SAYS, Crew, calling, children, ended
from stage.dialogue import get, post
from stage.platform import Platform
from stage.waiting import until

from puyun.catalog.model import Tier

pytestmark = pytest.mark.xdist_group("workers")

STREAM = "mock-chunk-delay-20-tokens-50"
"""A second long."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    settings = {"PUYUN_SERVER__WORKERS": "2", "PUYUN_SERVER__SHUTDOWN_SECONDS": "8"}
    with Platform(tmp_path_factory.mktemp("crew"), **(settings | {"PUYUN_UPSTREAM__FIRST_BYTE_TIMEOUT": "30"})) as made:
        yield made


@pytest.fixture
def crew(running: Platform) -> Crew:
    if not running.server.alive:
        running.restart()
    crew = Crew(running)
    for role in ("arbiter", "worker-1", "worker-2"):
        crew.pid(role)
    return crew


def stream(client: OpenAI) -> str:
    """A whole stream, read; how it ended."""
    chunks = list(client.chat.completions.create(model=STREAM, messages=SAYS, stream=True))
    return str(chunks[-1].choices[0].finish_reason)


def test_both_workers_serve_and_know_the_same(crew: Crew) -> None:
    platform = crew.platform
    account = platform.account()
    for role in ("worker-1", "worker-2"):
        with crew.dialogue_with(role, account) as dialogue:
            assert dialogue.send(get("/login")).answer().status == 200
            platform.cli("price", "set", "mock-tokens-1", "flex", "output", f"7.7{role[-1]}")

            def told(dialogue=dialogue, price=f"7.7{role[-1]}") -> bool:
                return price.encode() in dialogue.send(get("/api/prices")).answer().body

            until(told, "the new price")
    platform.settled_wallet(account)
    assert all(record["status"] == "completed" or record["charge"] for record in platform.records(account))


def test_one_seat_is_one_seat_for_both(crew: Crew) -> None:
    """Six calls by both workers, each waiting at the upstream until its gate is opened: never two of them there."""
    platform = crew.platform
    account = platform.account()
    users = [f"seat-{time.time_ns()}-{number}" for number in range(6)]

    def ask(number: int) -> int:
        role = f"worker-{number % 2 + 1}"
        with crew.dialogue_with(role, account) as dialogue:
            return dialogue.send(post(CHAT, calling(ONE_SEAT, users[number]), account.key)).answer().status

    def there() -> list[str]:
        return [user for user in users if any(not asked["entry"]["ended"] for asked in platform.mock.asked(user))]

    with ThreadPoolExecutor(6) as threads:
        answers = [threads.submit(ask, number) for number in range(6)]
        for _ in users:
            [user] = until(there, "the next call to reach the upstream")
            time.sleep(0.05)
            assert there() == [user]
            platform.mock.open_gate(user)
            until(lambda user=user: user not in there(), "its answer")
        assert [answer.result() for answer in answers] == [200] * 6


def test_streams_and_enterprise_do_not_notice_that_the_arbiter_dies(crew: Crew) -> None:
    platform = crew.platform
    account = platform.account()
    enterprise = platform.key(account, tier=Tier.ENTERPRISE)
    test = platform.key(account, tier=Tier.TEST)
    stop = threading.Event()

    def call_on(key: str) -> int:
        with platform.client(key) as client:
            calls = 0
            while not stop.is_set():
                assert stream(client) == "stop"
                calls += 1
            return calls

    with ThreadPoolExecutor(8) as threads:
        callers: list[Future[int]] = [threads.submit(call_on, enterprise) for _ in range(8)]
        try:
            until(lambda: len(platform.records(account)) >= 8, "streams")
            for _ in range(3):
                before = crew.kill("arbiter")
                killed_at = time.monotonic()
                crew.pid("arbiter", not_this=before)
                until(lambda: _served(platform, test), "Test to be served again")
                print(f"arbiter away for at most {time.monotonic() - killed_at:.3f} s")
        finally:
            stop.set()
        assert all(caller.result() for caller in callers)
    platform.settled_wallet(account)
    assert {record["error"] for record in platform.records(account)} == {None}


def _served(platform: Platform, key: str) -> bool:
    """A Test call: 429 while no arbiter is there, and nothing else than that or an answer."""
    with platform.dialogue() as dialogue:
        answer = dialogue.send(post(CHAT, calling("mock", "gap"), key)).answer()
    assert answer.status == 200 or answer.code == "capacity_unavailable", answer.body
    return answer.status == 200


def test_seats_of_a_killed_worker_are_free_after_two_seconds_and_not_before(crew: Crew) -> None:
    platform = crew.platform
    account = platform.account()
    users = [f"kill-{time.time_ns()}-{number}" for number in range(2)]
    with crew.dialogue_with("worker-1", account) as lost, crew.dialogue_with("worker-2", account) as stays:
        lost.send(post(CHAT, calling(ONE_SEAT, users[0]), account.key))
        until(lambda: platform.mock.asked(users[0]), "the first call to reach the upstream")
        stays.send(post(CHAT, calling(ONE_SEAT, users[1]), account.key))
        killed_at = time.monotonic()
        before = crew.kill("worker-1")
        lost.expect_closed()
        assert crew.pid("worker-1", not_this=before)
        with crew.dialogue_with("worker-1", account):
            pass
        until(lambda: platform.mock.asked(users[1]), "the seat to be free")
        assert time.monotonic() - killed_at > 2.0
        platform.mock.open_gate(users[1])
        assert stays.answer().status == 200
    platform.settled_wallet(account)
    assert sum(record["charge"] for record in platform.records(account)) > 0


def test_both_workers_killed_under_load_lose_no_money(crew: Crew) -> None:
    """What clients saw whole is in the records, and nothing is held in the end; the audit comes at the end of all."""
    platform = crew.platform
    account = platform.account()

    def call_on(_number: int) -> int:
        whole = 0
        deadline = time.monotonic() + 3
        with platform.client(account) as client:
            while time.monotonic() < deadline:
                try:
                    whole += stream(client) == "stop"
                except Exception:  # noqa: BLE001 - what a client sees when its worker is killed is not the matter
                    continue
        return whole

    with ThreadPoolExecutor(6) as threads:
        whole = [threads.submit(call_on, number) for number in range(6)]
        until(lambda: platform.mock.stats()["requests"] >= 4, "load")
        for role in ("worker-1", "worker-2"):
            crew.pid(role, not_this=crew.kill(role))
        seen = sum(each.result() for each in whole)
    wallet = platform.settled_wallet(account)
    records = platform.records(account)
    completed = [record for record in records if record["charge"] == charge(3, 50)]
    assert seen <= len(completed) <= seen + 6
    assert wallet.paid == nano("10.00") - sum(record["charge"] for record in records)


def test_a_stop_lets_streams_finish_and_leaves_nobody(crew: Crew) -> None:
    platform = crew.platform
    account = platform.account()
    everyone = children(platform.server.pid)
    with platform.client(account) as client:
        chunks = client.chat.completions.create(
            model=STREAM, messages=SAYS, stream=True, stream_options={"include_usage": True}
        )
        next(chunks)
        platform.server.signal(signal.SIGTERM)
        until(lambda: not _accepts(platform), "new connections to be refused")
        assert list(chunks)[-1].usage.completion_tokens == 50
    assert platform.server.wait() == 0
    assert all(ended(pid) for pid in everyone.values())
    assert platform.wallet(account).paid == nano("10.00") - charge(3, 50)


def _accepts(platform: Platform) -> bool:
    try:
        with platform.dialogue():
            return True
    except OSError:
        return False


def test_workers_stop_when_their_parent_is_killed(crew: Crew) -> None:
    platform = crew.platform
    everyone = children(platform.server.pid)
    assert set(everyone) == {"arbiter", "worker-1", "worker-2"}
    platform.server.kill()
    until(lambda: all(ended(pid) for pid in everyone.values()), "everyone to end")
    until(lambda: not _accepts(platform), "the port to be closed")


def test_a_port_that_is_taken_is_refused_once_and_at_once(crew: Crew) -> None:
    platform = crew.platform
    command = [sys.executable, "-m", "puyun", "serve", "--data", str(platform.data), "--no-demo"]
    place = ["--port", str(platform.address[1]), "--workers", "2"]
    done = subprocess.run([*command, *place], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode not in {0, 70}
    assert f"127.0.0.1:{platform.address[1]} cannot be listened on: Address already in use" in done.stderr
    assert "Traceback" not in done.stderr
