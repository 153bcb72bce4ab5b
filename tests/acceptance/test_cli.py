"""The command line beside a running server: what it changes takes effect there, and both say the same figures."""

import json
import time
from typing import Any

import pytest
from openai import OpenAI
from stage.bill import charge, nano
from stage.platform import Platform
from stage.waiting import until

MODEL = "mock-tokens-50"
SAYS: Any = [{"role": "user", "content": "one two three"}]


class Customer:
    """An organization made, paid for and given a key by commands alone."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.name = f"by hand {time.time_ns()}"
        self.id = self.json("org", "create", self.name)["id"]
        self.json("topup", self.id, "10.00")
        made = self.json("key", "create", "--org", self.name, "--models", MODEL, "--budget", "5.00")
        self.key_id, self.key = made["id"], made["key"]
        until(lambda: platform.status("/v1/models", self.key) == 200, "the key to be known")

    def json(self, *arguments: str) -> Any:
        return json.loads(self.platform.cli(*arguments, "--json"))

    def call(self) -> str:
        with OpenAI(base_url=self.platform.base_url + "/v1", api_key=self.key, max_retries=0, timeout=20) as client:
            raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=SAYS)
            assert raw.parse()
            return raw.headers["x-request-id"]


@pytest.fixture
def customer(platform: Platform) -> Customer:
    return Customer(platform)


def test_a_customer_made_by_commands_calls_and_every_figure_agrees(customer: Customer) -> None:
    request = customer.call()
    cost = charge(3, 50)
    receipt = customer.json("receipt", request)
    assert receipt == customer.platform.get(f"/v1/receipts/{request}", customer.key)
    assert nano(receipt["charge"]) == cost
    assert nano(customer.json("balance", customer.id)["balance"]) == nano("10.00") - cost
    usage = customer.json("usage", customer.id)
    assert [(row["label"], row["calls"], nano(row["charge"])) for row in usage["rows"]] == [(MODEL, 1, cost)]
    (key,) = customer.json("key", "list", "--org", customer.id)
    assert nano(key["spent"]) == cost


def test_revoking_and_suspending_take_effect_on_the_running_server(customer: Customer) -> None:
    second = customer.json("key", "create", "--org", customer.id)["key"]
    until(lambda: customer.platform.status("/v1/models", second) == 200, "the second key to be known")
    customer.json("key", "revoke", customer.key_id)
    until(lambda: customer.platform.status("/v1/models", customer.key) == 401, "the revoked key to be refused")
    assert customer.platform.status("/v1/models", second) == 200
    customer.json("org", "set", customer.id, "--status", "suspended")
    until(lambda: customer.platform.status("/v1/models", second) == 401, "the suspended organization to be refused")


def test_a_repeated_top_up_pays_once_while_calls_run(customer: Customer) -> None:
    first = customer.json("topup", customer.id, "1.00", "--id", "invoice-9")
    customer.call()
    assert customer.json("topup", customer.id, "1.00", "--id", "invoice-9")["transaction"] == first["transaction"]
    assert nano(customer.json("balance", customer.id)["balance"]) == nano("11.00") - charge(3, 50)


EXTRA = """
[[models]]
name = "priced-by-hand"
kind = "chat"
context_length = 8192
deployments = ["mock-tokens-50@mock"]

[[prices]]
model = "priced-by-hand"
tier = "flex"
input = "1.00"
output = "1.00"
"""


def test_a_model_and_its_price_change_while_the_server_runs(platform: Platform) -> None:
    """What the file does not name stays: the catalogue of the other tests."""
    platform.apply(EXTRA)
    platform.cli("price", "set", "priced-by-hand", "flex", "output", "2.00")
    account = platform.account()

    def priced() -> str | None:
        offers = [each for each in platform.get("/v1/models", account.key)["data"] if each["id"] == "priced-by-hand"]
        return offers[0]["tiers"]["flex"]["output"] if offers else None

    until(lambda: priced() == "2.00", "the new price to be known")
    with platform.client(account) as client:
        raw = client.chat.completions.with_raw_response.create(model="priced-by-hand", messages=SAYS)
    lines = platform.receipt(account, raw.headers["x-request-id"])["lines"]
    assert {line["meter"]: line["price_per_million"] for line in lines} == {"input": "1.00", "output": "2.00"}
    assert platform.status(f"/v1/models/{MODEL}", account.key) == 200
    history = json.loads(platform.cli("price", "history", "priced-by-hand", "--json"))
    assert [row["price"] for row in history if row["meter"] == "output"] == ["1.00", "2.00"]


def test_an_audit_of_a_database_in_use_is_clean(customer: Customer) -> None:
    customer.call()
    assert customer.json("audit")["clean"] is True


def test_a_doctor_of_a_database_in_use_finds_nothing_broken(customer: Customer) -> None:
    assert customer.json("doctor")["healthy"] is True


def test_errors_go_to_stderr_in_three_lines_with_their_exit_code(platform: Platform) -> None:
    done = platform.run("balance", "nobody at all", "--json")
    assert (done.returncode, done.stdout) == (3, "")
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["Error", "Why", "Do"]
