"""What an operator changes is served by the running server, and no call is dropped for it."""

import openai
import pytest
from stage.catalogue import catalogue, one_more
from stage.platform import Account, Platform
from stage.waiting import until

SAYS = [{"role": "user", "content": "one two three"}]


@pytest.fixture
def account(platform: Platform) -> Account:
    return platform.account()


def code(platform: Platform, account: Account, model: str) -> str | None:
    """Of the refusal; None for an answer."""
    with platform.client(account) as client:
        try:
            client.chat.completions.create(model=model, messages=SAYS)
        except openai.APIStatusError as error:
            return error.code
    return None


def test_a_new_model_is_served_while_a_stream_runs(platform: Platform, account: Account) -> None:
    assert code(platform, account, "mock-new") == "model_not_found"
    with platform.client(account) as client:
        chunks = client.chat.completions.create(model="mock-chunk-delay-100-tokens-20", messages=SAYS, stream=True)
        next(chunks)
        platform.apply(catalogue(platform.mock.base_url) + one_more("mock-new"))
        until(lambda: code(platform, account, "mock-new") is None, "the new model")
        assert list(chunks)[-1].choices[0].finish_reason == "stop"
        assert "mock-new" in {model.id for model in client.models.list()}


def test_a_withdrawn_price_ends_the_offer(platform: Platform, account: Account) -> None:
    platform.apply(catalogue(platform.mock.base_url) + one_more("mock-leaving"))
    until(lambda: code(platform, account, "mock-leaving") is None, "the model")
    for meter in ("output", "cached_input", "input"):
        platform.cli("price", "set", "mock-leaving", "flex", meter, "none")
    until(lambda: code(platform, account, "mock-leaving") == "offer_not_available", "the end of the offer")
    with platform.client(account) as client:
        assert set(client.models.retrieve("mock-leaving").tiers) == {"test", "enterprise"}
    offers = platform.get("/api/prices")["offers"]
    assert [offer["tier"] for offer in offers if offer["model"] == "mock-leaving"] == ["test", "enterprise"]


def test_a_suspended_organization_is_served_nothing(platform: Platform, account: Account) -> None:
    assert code(platform, account, "mock") is None
    platform.cli("org", "set", account.organization.name, "--status", "suspended")
    until(lambda: code(platform, account, "mock") is not None, "the suspension")
    assert platform.status("/v1/models", account.key) in {401, 403}
    platform.cli("org", "set", account.organization.name, "--status", "active")
    until(lambda: code(platform, account, "mock") is None, "the return")


def test_a_key_made_on_the_command_line_works(platform: Platform, account: Account) -> None:
    printed = platform.cli("key", "create", "--org", account.organization.name, "--tier", "test", "--json")
    secret = next(word for word in printed.replace('"', " ").split() if word.startswith("sk-puyun-") and len(word) > 40)
    until(lambda: platform.status("/v1/models", secret) == 200, "the key to be known")


@pytest.mark.xdist_group("own")
def test_an_upstream_that_went_away_is_reached_again(own_platform: Platform) -> None:
    """Idle connections to it are dropped, not tried; while it is away nothing is charged."""
    account = own_platform.account()
    assert code(own_platform, account, "mock") is None
    own_platform.mock.child.stop()
    assert code(own_platform, account, "mock") == "upstream_error"
    own_platform.restart_upstream()
    assert code(own_platform, account, "mock") is None
    charges = [record["charge"] for record in own_platform.records(account)]
    assert charges[1] == 0
    assert charges[0] == charges[2] > 0
