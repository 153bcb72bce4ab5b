"""The attack on one wallet: 500 calls at once, through one process and through four, on each engine.

Exactly the affordable calls are served, and at no instant is less than nothing available (I4). A second connection looks
all the while.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from typing import Self

import httpx2
import pytest
from stage.bill import charge, nano
from stage.platform import Account, Platform
from stage.waiting import until

ATTACK = 500
AFFORDABLE = 25
PROCESSES = 4
RETURN_SECONDS = 60.0
"""DESIGN 5.6: within this a dead process's holds are back."""

pytestmark = pytest.mark.xdist_group("overdraft")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def crowd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Crowd"]:
    """Four servers on one database."""
    folder = tmp_path_factory.mktemp("crowd")
    url = request.getfixturevalue("postgres").create("crowd") if request.param == "postgresql" else ""
    with Platform(folder, url, PUYUN_UPSTREAM__FIRST_BYTE_TIMEOUT="120") as platform:
        yield Crowd(platform)


class Crowd:
    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.servers = [(platform.server, platform.address[1]), *(platform.serve() for _ in range(PROCESSES - 1))]

    @property
    def ports(self) -> list[int]:
        return [port for server, port in self.servers if server.alive]


class Lookout(threading.Thread):
    """Looks at what is available as often as it can: `lowest`, and how often it looked."""

    def __init__(self, platform: Platform, account: Account) -> None:
        super().__init__(daemon=True)
        self._platform = platform
        self._query = (
            f"SELECT paid + bonus + credit_limit - open_invoices - held FROM wallet WHERE org = {account.number}"
        )
        self._over = threading.Event()
        self.looks = 0
        self.lowest = 1 << 62

    def run(self) -> None:
        with closing(self._platform.sql()) as connection:
            while not self._over.is_set():
                ((available,),) = connection.execute(self._query).fetchall()
                self.lowest = min(self.lowest, available)
                self.looks += 1

    def __enter__(self) -> Self:
        self.start()
        until(lambda: self.looks, "a first look")
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


async def call(client: httpx2.AsyncClient, user: str, model: str = "mock-gate") -> httpx2.Response:
    says = [{"role": "user", "content": "one two three"}]
    body = {"model": model, "messages": says, "max_tokens": 100, "user": user}
    return await client.post("/v1/chat/completions", json=body)


async def attack(platform: Platform, account: Account, ports: list[int], user: str) -> Counter[int]:
    """Statuses of ATTACK calls at once. The upstream answers none before all that can be refused are."""
    refused = 0

    async def one(client: httpx2.AsyncClient) -> int:
        nonlocal refused
        status = (await call(client, user)).status_code
        if status != 200:
            refused += 1
            if refused == ATTACK - AFFORDABLE:
                await asyncio.to_thread(platform.mock.open_gate, user)
        return status

    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(_client(account, port)) for port in ports]
        return Counter(await asyncio.gather(*(one(clients[number % len(clients)]) for number in range(ATTACK))))


def _client(account: Account, port: int) -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=ATTACK)
    headers = {"Authorization": f"Bearer {account.key}"}
    return httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=120, limits=limits)


def needed(platform: Platform, account: Account) -> int:
    """What one call holds, as an empty wallet is told."""

    async def ask() -> httpx2.Response:
        async with _client(account, platform.address[1]) as client:
            return await call(client, "poor")

    answer = asyncio.run(ask())
    assert answer.status_code == 402
    return nano(answer.json()["error"]["needed"])


@pytest.mark.parametrize("processes", [1, PROCESSES])
def test_a_wallet_pays_for_exactly_what_it_can_hold(crowd: Crowd, processes: int) -> None:
    platform = crowd.platform
    account = platform.account("0")
    user = f"overdraft-{account.number}"
    amount = needed(platform, account)
    platform.top_up(account, AFFORDABLE * amount + amount - 1)
    with Lookout(platform, account) as lookout:
        statuses = asyncio.run(attack(platform, account, crowd.ports[:processes], user))
        wallet = platform.settled_wallet(account)
    assert statuses == {200: AFFORDABLE, 402: ATTACK - AFFORDABLE}
    assert 0 <= lookout.lowest < amount, "it was all held at some moment, and never more than that"
    assert lookout.looks > 100
    assert len(platform.mock.asked(user)) == AFFORDABLE
    assert [record["charge"] for record in platform.records(account)] == [charge(3, 10)] * AFFORDABLE
    assert wallet.paid == AFFORDABLE * (amount - charge(3, 10)) + amount - 1
    assert platform.run("audit").returncode == 0


def test_the_holds_of_a_killed_process_are_returned_by_another(crowd: Crowd) -> None:
    platform = crowd.platform
    account = platform.account("1000.00")
    user = f"killed-{account.number}"
    victim, port = crowd.servers[-1]

    async def killed() -> list[object]:
        async with _client(account, port) as client:
            calls = [asyncio.create_task(call(client, user)) for _ in range(20)]
            await asyncio.to_thread(until, lambda: len(platform.mock.asked(user)) == 20, "all calls to be upstream")
            assert platform.wallet(account).held > 0
            victim.kill()
            return await asyncio.gather(*calls, return_exceptions=True)

    assert all(isinstance(outcome, httpx2.TransportError) for outcome in asyncio.run(killed()))
    until(lambda: platform.wallet(account).held == 0, "the holds to return", RETURN_SECONDS)
    assert platform.wallet(account).paid == nano("1000.00")
    assert [record["error"] for record in platform.records(account)] == ["crashed"] * 20

    async def others() -> list[int]:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(_client(account, port)) for port in crowd.ports]
            return [(await call(client, "others", "mock")).status_code for client in clients]

    assert asyncio.run(others()) == [200] * (PROCESSES - 1)
    assert platform.run("audit").returncode == 0
