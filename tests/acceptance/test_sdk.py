"""The official SDK gets what it expects from every endpoint, and each answer says what it cost."""

import re

import pytest
from openai import Omit, OpenAI
from openai.types.chat import ChatCompletionChunk
from stage.bill import charge, nano
from stage.platform import Account, Platform

SAYS = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "one two three"}]
WORDS = 5


def ask(client: OpenAI, model: str, **options):
    return client.chat.completions.create(model=model, messages=SAYS, **options)


def stream(client: OpenAI, model: str, **options) -> list[ChatCompletionChunk]:
    return list(ask(client, model, stream=True, **options))


def text(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def words(count: int) -> str:
    return " ".join(f"word{number}" for number in range(count))


@pytest.fixture
def account(platform: Platform) -> Account:
    return platform.account()


def test_a_chat_answer_comes_whole_with_its_price(platform: Platform, account: Account) -> None:
    with platform.client(account) as client:
        raw = client.chat.completions.with_raw_response.create(model="mock-tokens-50", messages=SAYS)
    answer = raw.parse()
    assert answer.choices[0].message.content == words(50)
    assert answer.model == "mock-tokens-50"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (WORDS, 50, 55)
    assert nano(answer.usage.cost) == charge(WORDS, 50)
    assert answer.service_tier == raw.headers["x-puyun-tier"] == "flex"
    assert raw.headers["x-puyun-cost"] == answer.usage.cost
    assert re.fullmatch(r"req_[0-9a-z]+", raw.headers["x-request-id"])
    assert answer._request_id == raw.headers["x-request-id"]
    timing = raw.headers["server-timing"]
    assert re.fullmatch(r"queue;dur=[\d.]+, upstream;dur=[\d.]+, total;dur=[\d.]+", timing)


def test_headers_of_the_operators_account_stay_behind(platform: Platform, account: Account) -> None:
    with platform.client(account) as client:
        for options in ({}, {"stream": True}):
            raw = client.chat.completions.with_raw_response.create(model="mock", messages=SAYS, **options)
            assert not {"openai-organization", "set-cookie"} & set(raw.headers)
            raw.http_response.close()


def test_the_upstream_sees_its_own_key_and_model_and_no_customer(platform: Platform, account: Account) -> None:
    with platform.client(account) as client:
        ask(client, "mock", user="sees-its-own", service_tier="flex", extra_body={"future_field": [1, 2.50]})
    [asked] = platform.mock.asked("sees-its-own")
    assert account.key not in str(asked)
    assert "authorization" not in asked["headers"]
    assert asked["body"]["future_field"] == [1, 2.50]
    assert "service_tier" not in asked["body"]


def test_a_chat_answer_streams(platform: Platform, account: Account) -> None:
    with platform.client(account) as client:
        chunks = stream(client, "mock-tokens-50")
    assert text(chunks).rstrip() == words(50)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[0].service_tier == "flex"


def test_usage_is_streamed_to_those_who_ask(platform: Platform, account: Account) -> None:
    with platform.client(account) as client:
        chunks = stream(client, "mock-tokens-50", stream_options={"include_usage": True})
    assert text(chunks).rstrip() == words(50)
    assert [chunk.usage is None for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    usage = chunks[-1].usage
    assert chunks[-1].choices == []
    assert (usage.prompt_tokens, usage.completion_tokens) == (WORDS, 50)
    assert nano(usage.cost) == charge(WORDS, 50)


@pytest.mark.parametrize(
    "options", [{}, {"stream_options": {"include_usage": False}}, {"stream_options": {"include_usage": True}}]
)
def test_usage_is_always_asked_for_upstream(platform: Platform, account: Account, options: dict) -> None:
    user = f"always-asked-{account.number}"
    with platform.client(account) as client:
        stream(client, "mock", user=user, **options)
    assert platform.mock.ended(user)[0]["include_usage"] is True


@pytest.mark.parametrize(
    "model",
    [
        "mock-crlf",
        "mock-split",
        "mock-comments",
        "mock-comments-crlf-split",
        "mock-usage-late",
        "mock-usage-twice",
        "mock-usage-every",
    ],
)
def test_a_stream_in_an_unusual_form_is_read_and_billed_alike(platform: Platform, account: Account, model: str) -> None:
    with platform.client(account) as client:
        chunks = stream(client, model)
    assert text(chunks).rstrip() == words(10)
    assert all(chunk.usage is None for chunk in chunks)
    assert [record["charge"] for record in platform.records(account)] == [charge(WORDS, 10)]


@pytest.mark.parametrize("model", ["mock-split", "mock-until-close"])
def test_an_answer_in_an_unusual_form_is_read_and_billed_alike(
    platform: Platform, account: Account, model: str
) -> None:
    with platform.client(account) as client:
        answer = ask(client, model)
    assert answer.choices[0].message.content == words(10)
    assert nano(answer.usage.cost) == charge(WORDS, 10)


def test_a_stream_that_ends_with_its_connection_is_whole(platform: Platform, account: Account) -> None:
    with platform.client(account) as client:
        assert text(stream(client, "mock-until-close")).rstrip() == words(10)


def test_unknown_fields_pass(platform: Platform, account: Account) -> None:
    kept = {"kept": [1, 2.50, "ü"]}
    with platform.client(account) as client:
        answer = ask(client, "mock-unknown-fields")
        chunks = stream(client, "mock-unknown-fields")
    assert answer.future_field == kept
    assert answer.usage.future_tokens == 7
    assert [chunk.future_field for chunk in chunks] == [kept] * len(chunks)


def test_tools_and_formats_pass(platform: Platform, account: Account) -> None:
    """What the request asks for besides text reaches the upstream as it was sent; tool calls come back, in pieces too."""
    user = f"tools-{account.number}"
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    options = {
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": schema}}],
        "tool_choice": "auto",
        "response_format": {"type": "json_object"},
        "stop": ["END"],
        "logit_bias": {"50256": -100},
        "user": user,
    }
    with platform.client(account) as client:
        whole = ask(client, "mock-tools", **options).choices[0]
        pieces = [chunk.choices[0] for chunk in stream(client, "mock-tools", **options)]
    for asked in platform.mock.asked(user):
        assert {name: asked["body"][name] for name in options} == options
    assert (whole.finish_reason, whole.message.tool_calls[0].function.name) == ("tool_calls", "mock")
    calls = [piece.delta.tool_calls[0] for piece in pieces if piece.delta.tool_calls]
    assert calls[0].function.name == "mock"
    assert "".join(call.function.arguments or "" for call in calls).split() == words(10).split()
    assert pieces[-1].finish_reason == "tool_calls"
    assert [record["charge"] for record in platform.records(account)] == [charge(WORDS, 10)] * 2


def test_null_stands_for_what_is_not_asked(platform: Platform, account: Account) -> None:
    names = ("tools", "response_format", "max_tokens", "n", "stop", "service_tier", "stream", "stream_options", "user")
    with platform.client(account) as client:
        assert ask(client, "mock", extra_body=dict.fromkeys(names)).usage.completion_tokens == 10


def test_a_text_completion(platform: Platform, account: Account) -> None:
    with platform.client(account) as client:
        whole = client.completions.create(model="mock", prompt="one two three")
        pieces = list(client.completions.create(model="mock", prompt="one two three", stream=True))
    assert whole.choices[0].text == words(10)
    assert nano(whole.usage.cost) == charge(3, 10)
    assert "".join(piece.choices[0].text for piece in pieces if piece.choices).rstrip() == words(10)
    assert [record["charge"] for record in platform.records(account)] == [charge(3, 10)] * 2


def test_embeddings(platform: Platform, account: Account) -> None:
    with platform.client(account) as client:
        answer = client.embeddings.create(model="mock-embedding", input=["one two", "three"], dimensions=4)
    assert [item.embedding for item in answer.data] == [[0, 1 / 16, 2 / 16, 3 / 16], [1 / 16, 2 / 16, 3 / 16, 4 / 16]]
    assert answer.usage.prompt_tokens == 3
    # 3 tokens at 0.0005 per million are 1.5 nano-units: rounded down.
    assert nano(answer.usage.cost) == 1


def test_several_choices_and_a_lower_maximum(platform: Platform, account: Account) -> None:
    with platform.client(account) as client:
        answer = ask(client, "mock-tokens-50", n=3, max_tokens=7)
    assert [choice.message.content for choice in answer.choices] == [words(7)] * 3
    assert answer.choices[0].finish_reason == "length"
    assert nano(answer.usage.cost) == charge(WORDS, 21)


def test_cached_and_reasoning_tokens_are_parts_not_additions(platform: Platform, account: Account) -> None:
    with platform.client(account) as client:
        cached = ask(client, "mock-cached")
        reasoning = ask(client, "mock-reasoning")
    assert nano(cached.usage.cost) == charge(WORDS, 10, cached=WORDS // 2)
    assert nano(reasoning.usage.cost) == charge(WORDS, 10)


def test_the_model_list_has_prices_by_tier(platform: Platform, account: Account) -> None:
    with platform.client(account) as client:
        listed = {model.id: model for model in client.models.list()}
        one = client.models.retrieve("mock-tokens-50")
    assert one.id == "mock-tokens-50"
    assert one.object == "model"
    assert one.kind == "chat"
    assert one.context_length == 128000
    assert one.tiers == listed["mock-tokens-50"].tiers
    assert set(one.tiers) == {"test", "flex", "enterprise"}
    assert {meter: one.tiers["flex"][meter] for meter in ("input", "cached_input", "output")} == {
        "input": "2.50",
        "cached_input": "0.25",
        "output": "10.00",
    }
    assert set(listed["mock-flex-only"].tiers) == {"flex"}
    assert listed["mock-embedding"].kind == "embedding"
    assert "mock-unpriced" not in listed


@pytest.mark.parametrize("tier", ["test", "flex", "enterprise"])
def test_the_tier_asked_for_is_served_and_billed(platform: Platform, account: Account, tier: str) -> None:
    with platform.client(account) as client:
        by_body = client.chat.completions.with_raw_response.create(
            model="mock", messages=SAYS, extra_body={"service_tier": tier}
        )
        by_header = client.chat.completions.with_raw_response.create(
            model="mock", messages=SAYS, extra_headers={"X-Service-Tier": tier}
        )
        chunks = stream(client, "mock", extra_body={"service_tier": tier})
    for raw in (by_body, by_header):
        assert raw.headers["x-puyun-tier"] == raw.parse().service_tier == tier
        assert platform.receipt(account, raw.headers["x-request-id"])["tier_served"] == tier
    assert chunks[0].service_tier == tier


@pytest.mark.parametrize(("word", "tier"), [("auto", "flex"), ("default", "flex"), ("priority", "enterprise")])
def test_openais_words_for_a_tier(platform: Platform, account: Account, word: str, tier: str) -> None:
    with platform.client(account) as client:
        assert ask(client, "mock", service_tier=word).service_tier == tier


def test_a_key_has_a_tier_of_its_own(platform: Platform, account: Account) -> None:
    with platform.client(platform.key(account, tier="test")) as client:
        assert ask(client, "mock").service_tier == "test"


def test_the_other_header_form_of_a_key(platform: Platform, account: Account) -> None:
    headers = {"x-api-key": account.key, "Authorization": Omit()}
    with OpenAI(base_url=platform.base_url + "/v1", api_key="unused", max_retries=0) as client:
        assert client.models.retrieve("mock", extra_headers=headers).id == "mock"
        answer = ask(client, "mock", extra_headers=headers)
    assert nano(answer.usage.cost) == charge(WORDS, 10)
