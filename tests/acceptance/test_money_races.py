"""Money under attack: more calls than a wallet can pay for, and a server that is killed in the middle."""

import asyncio
import json
from collections import Counter
from contextlib import AsyncExitStack

import httpx2
import openai
import pytest
from openai import AsyncOpenAI
from stage.bill import charge, nano
from stage.platform import Account, Platform

from puyun.kit.money import format_amount
from puyun.storage.engine import reading
from puyun.storage.identity import list_members

SAYS = [{"role": "user", "content": "one two three"}]
ATTACK = 200
AFFORDABLE = 10

pytestmark = pytest.mark.xdist_group("own")


async def attack(platform: Platform, key: str, *, ports: tuple[int, ...] = (), **options) -> Counter[int]:
    """Statuses of ATTACK calls at once. The upstream answers none before all that can be refused are."""
    refused = 0

    async def one(client: AsyncOpenAI) -> int:
        nonlocal refused
        try:
            answer = await client.chat.completions.create(messages=SAYS, max_tokens=100, **options)
        except openai.APIStatusError as error:
            refused += 1
            if refused == ATTACK - AFFORDABLE:
                await asyncio.to_thread(platform.mock.open_gate, options["user"])
            return error.status_code
        if options["stream"]:
            assert [chunk async for chunk in answer]
        return 200

    urls = [f"http://127.0.0.1:{port}/v1" for port in ports or (platform.address[1],)]
    async with AsyncExitStack() as stack:
        made = [AsyncOpenAI(base_url=url, api_key=key, max_retries=0, timeout=60) for url in urls]
        clients = [await stack.enter_async_context(client) for client in made]
        return Counter(await asyncio.gather(*(one(clients[number % len(clients)]) for number in range(ATTACK))))


def needed_for(platform: Platform, key: str, options: dict) -> int:
    """What one call holds, as an empty wallet is told."""
    with platform.client(key) as client, pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(messages=SAYS, max_tokens=100, **options)
    return nano(caught.value.body["needed"])


def served_exactly(platform: Platform, account: Account, user: str) -> None:
    """AFFORDABLE calls: sent upstream, recorded and paid; no other was."""
    assert len(platform.mock.asked(user)) == AFFORDABLE
    platform.settled_wallet(account)
    assert [record["charge"] for record in platform.records(account)] == [charge(3, 10)] * AFFORDABLE
    assert platform.run("audit").returncode == 0


@pytest.mark.parametrize("stream", [False, True])
def test_a_wallet_pays_for_as_many_calls_as_it_can_hold(own_platform: Platform, stream: bool) -> None:
    """200 at once on credit for 10 holds; no settle frees money meanwhile, so 10 are served and 190 refused."""
    account = own_platform.account("0")
    options = {"model": "mock-gate", "stream": stream, "user": f"attack-{account.number}"}
    needed = needed_for(own_platform, account.key, options)
    own_platform.top_up(account, AFFORDABLE * needed)
    statuses = asyncio.run(attack(own_platform, account.key, **options))
    assert statuses == {200: AFFORDABLE, 402: ATTACK - AFFORDABLE}
    served_exactly(own_platform, account, options["user"])
    assert own_platform.wallet(account).paid == AFFORDABLE * (needed - charge(3, 10))


def test_two_servers_share_one_wallet(own_platform: Platform) -> None:
    """The decision is the database's: a second process on the same data sells nothing twice."""
    second, port = own_platform.serve()
    account = own_platform.account("0")
    options = {"model": "mock-gate", "stream": False, "user": f"two-{account.number}"}
    needed = needed_for(own_platform, account.key, options)
    own_platform.top_up(account, AFFORDABLE * needed + needed - 1)
    ports = (own_platform.address[1], port)
    statuses = asyncio.run(attack(own_platform, account.key, ports=ports, **options))
    assert statuses == {200: AFFORDABLE, 402: ATTACK - AFFORDABLE}
    assert second.stop() == 0
    served_exactly(own_platform, account, options["user"])


@pytest.mark.parametrize("of", ["key", "member", "organization"])
def test_a_budget_holds_under_attack(own_platform: Platform, of: str) -> None:
    """It is as hard as a wallet, though the wallet could pay for all."""
    empty = own_platform.account("0")
    account = own_platform.account("1000.00")
    name = account.organization.name
    options = {"model": "mock-gate", "stream": False, "user": f"{of}-budget-{account.number}"}
    amount = format_amount(AFFORDABLE * needed_for(own_platform, empty.key, options))
    key = own_platform.key(account)
    subject: list[str] = []
    if of == "key":
        subject = ["--key", key[:13]]
    elif of == "member":
        own_platform.cli("user", "create", f"ann-{account.number}@example.com", "--org", name, "--generate")
        subject = ["--member", f"ann-{account.number}@example.com"]
        with reading(own_platform.engine) as connection:
            (ann,) = [user.id for user, _ in list_members(connection, account.number)]
        key = own_platform.key(account, member=ann)
    own_platform.cli("budget", "set", name, amount, "--period", "month", *subject)
    statuses = asyncio.run(attack(own_platform, key, **options))
    assert statuses == {200: AFFORDABLE, 402: ATTACK - AFFORDABLE}
    served_exactly(own_platform, account, options["user"])
    told = json.loads(own_platform.cli("budget", "notices", name, "--json"))
    (budget,) = json.loads(own_platform.cli("budget", "list", name, "--json"))
    share = nano(budget["spent"]) * 100 // nano(budget["amount"])
    assert [row["percent"] for row in told] == [percent for percent in (100, 80, 50) if share >= percent]
    assert own_platform.run("audit").returncode == 0


def test_a_killed_server_leaves_nothing_held_and_bills_what_it_completed(own_platform: Platform) -> None:
    """kill -9 under load; every answer a client saw whole is billed once, no other is, and no hold stays."""
    account = own_platform.account("1000.00")
    completed = asyncio.run(_load_until_killed(own_platform, account))
    assert completed, "some calls were through before the kill"
    own_platform.restart()
    wallet = own_platform.settled_wallet(account)
    records = {record["call"]: record for record in own_platform.records(account)}
    billed = [record for record in records.values() if record["charge"]]
    assert nano("1000.00") - wallet.paid == sum(record["charge"] for record in billed)
    receipts = {request_id: own_platform.receipt(account, request_id) for request_id in completed}
    assert {receipt["status"] for receipt in receipts.values()} == {"completed"}
    assert {nano(receipt["charge"]) for receipt in receipts.values()} == {charge(3, 50)}
    # The upstream's own journal: nothing is billed that it did not complete, and nobody is billed twice.
    answered = [asked["entry"]["complete"] for asked in own_platform.mock.asked("load")]
    assert len(completed) <= len(billed) <= sum(answered)
    crashed = [record for record in records.values() if not record["charge"]]
    assert len(records) == len(billed) + len(crashed)
    assert all(record["output"] == 0 for record in crashed)
    assert own_platform.run("audit").returncode == 0
    with own_platform.client(account) as client:
        assert client.chat.completions.create(model="mock", messages=SAYS).usage


async def _load_until_killed(platform: Platform, account: Account) -> list[str]:
    """Ids of the answers that were read to their end, streamed and not, before and while the server was killed."""
    completed: list[str] = []
    enough = asyncio.Event()

    async def caller(number: int) -> None:
        model = ("mock-tokens-50", "mock-chunk-delay-20-tokens-50", "mock-delay-1500-tokens-50")[number % 3]
        stream = number % 2 == 0
        while True:
            try:
                async with client.chat.completions.with_streaming_response.create(
                    model=model, messages=SAYS, stream=stream, user="load", max_tokens=100
                ) as answer:
                    body = await answer.read()
            except (openai.APIConnectionError, httpx2.TransportError):
                # The second is a body that broke off.
                return
            if not stream or body.rstrip().endswith(b"data: [DONE]"):
                completed.append(answer.headers["x-request-id"])
            if len(completed) >= 60:
                enough.set()

    url = platform.base_url + "/v1"
    async with AsyncOpenAI(base_url=url, api_key=account.key, max_retries=0, timeout=60) as client:
        callers = [asyncio.create_task(caller(number)) for number in range(24)]
        await enough.wait()
        platform.server.kill()
        await asyncio.gather(*callers)
    return completed
