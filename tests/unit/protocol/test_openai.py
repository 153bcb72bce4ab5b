"""Bodies as customers send them and answers as they get them. Each refusal is a row that names the field at fault."""

import json

import msgspec
import pytest
from hypothesis import given, strategies as st

from puyun.catalog.model import Tier
from puyun.kit.errors import PuyunError
from puyun.protocol.openai import (
    ENDPOINTS,
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    UpstreamBody,
    asked_tier,
    decode_chunk,
    decode_request,
    encode_answer,
    encode_error,
    encode_request,
    rename,
    said,
    speaks,
    take_apart,
    usage_chunk,
    without_usage,
)

CHAT, COMPLETION, EMBEDDING = ENDPOINTS
BY_NAME = {"chat": CHAT, "completion": COMPLETION, "embedding": EMBEDDING}

HELLO = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'

REFUSALS = """
chat       | {"messages": [1]}                                        | model                  | missing required field
chat       | {"model": "m"}                                           | messages               | missing required field
chat       | {"model": "", "messages": [1]}                           | model                  | must not be empty
chat       | {"model": null, "messages": [1]}                         | model                  | Expected `str`, got `null`
chat       | {"model": 5, "messages": [1]}                            | model                  | Expected `str`, got `int`
chat       | {"model": "m", "messages": []}                           | messages               | at least one message
chat       | {"model": "m", "messages": "hi"}                         | messages               | Expected `array`, got `str`
chat       | {"model": "m", "messages": {}}                           | messages               | Expected `array`
chat       | {"model": "m", "messages": [1], "stream": "yes"}         | stream                 | Expected `bool | null`
chat       | {"model": "m", "messages": [1], "stream": 1}             | stream                 | Expected `bool | null`
chat       | {"model": "m", "messages": [1], "stream_options": true}  | stream_options         | Expected `object | null`
chat       | {"model": "m", "messages": [1], "stream_options": {"include_usage": 1}} | stream_options.include_usage | Expected `bool`
chat       | {"model": "m", "messages": [1], "max_tokens": 0}         | max_tokens             | >= 1
chat       | {"model": "m", "messages": [1], "max_tokens": -1}        | max_tokens             | >= 1
chat       | {"model": "m", "messages": [1], "max_tokens": 10000001}  | max_tokens             | <= 10000000
chat       | {"model": "m", "messages": [1], "max_tokens": 1.5}       | max_tokens             | Expected `int | null`
chat       | {"model": "m", "messages": [1], "max_tokens": "9"}       | max_tokens             | Expected `int | null`
chat       | {"model": "m", "messages": [1], "max_tokens": 1e300}     | max_tokens             | Expected `int | null`
chat       | {"model": "m", "messages": [1], "max_completion_tokens": 0} | max_completion_tokens | >= 1
chat       | {"model": "m", "messages": [1], "n": 0}                  | n                      | >= 1
chat       | {"model": "m", "messages": [1], "n": true}               | n                      | Expected `int | null`
chat       | {"model": "m", "messages": [1], "service_tier": 3}       | service_tier           | Expected `str | null`
chat       | {"model": "m", "messages": [1], "modalities": "audio"}   | modalities             | Expected `array | null`
chat       | {"model": "m", "messages": [1], "modalities": ["text", 2]} | modalities[1]        | Expected `str`
completion | {"model": "m"}                                           | prompt                 | missing required field
completion | {"model": "m", "prompt": "x", "best_of": 0}              | best_of                | >= 1
embedding  | {"model": "m"}                                           | input                  | missing required field
chat       | []                                                       |                        | Expected `object`, got `array`
chat       | "hi"                                                     |                        | Expected `object`, got `str`
chat       | null                                                     |                        | Expected `object`, got `null`
chat       |                                                          |                        | not valid JSON
chat       | {"model": "m", "messages": [1]                           |                        | not valid JSON
chat       | {"model": "m", "messages": [1]} x                        |                        | not valid JSON
chat       | {"model": "m", "messages": [1], "x": NaN}                |                        | not valid JSON
chat       | {"model": "m", "messages": [1], "x": Infinity}           |                        | not valid JSON
chat       | {"model": "m", "messages": [1], "x": 01}                 |                        | not valid JSON
chat       | {"model": "m", "messages": [1], 'x': 1}                  |                        | not valid JSON
chat       | {"model": "m", "messages": [1],}                         |                        | not valid JSON
"""


@pytest.mark.parametrize("row", REFUSALS.strip().splitlines())
def test_refusal(row: str) -> None:
    """W1."""
    name, rest = row.split("|", 1)
    body, param, message = (part.strip() for part in rest.replace(" | null", " / null").rsplit("|", 2))
    body, message = body.replace(" / null", " | null"), message.replace(" / null", " | null")
    with pytest.raises(PuyunError) as caught:
        decode_request(BY_NAME[name.strip()], body.encode())
    assert (caught.value.status, caught.value.code) == (400, "invalid_request_error")
    assert caught.value.param == (param or None)
    assert message in caught.value.message


@pytest.mark.parametrize(
    "body",
    [
        HELLO.replace(b"hi", b"\xff"),
        HELLO.replace(b"hi", b"\xc0\xaf"),
        HELLO.replace(b"hi", b"\xed\xa0\x80"),
        HELLO[:-1] + b',"x":"\xe4\xbd"}',
        b"\xef\xbb\xbf" + HELLO,
        HELLO.decode().encode("utf-16"),
        HELLO + b"\x00",
        b'{"model":"m","messages":[1],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model":"m","messages":' + b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=[
        "stray byte",
        "overlong",
        "surrogate",
        "cut",
        "mark",
        "UTF-16",
        "NUL",
        "deep",
        "deep and open",
        "deep objects",
    ],
)
def test_bytes_that_are_no_json(body: bytes) -> None:
    with pytest.raises(PuyunError) as caught:
        decode_request(CHAT, body)
    assert (caught.value.status, caught.value.code) == (400, "invalid_request_error")


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_request_or_a_refusal(body: bytes) -> None:
    """W8."""
    for endpoint in ENDPOINTS:
        try:
            decode_request(endpoint, body)
        except PuyunError as error:
            assert error.status == 400  # noqa: PT017 - either is right, nothing else is


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
UNTYPED = st.text().filter(lambda name: name not in set(ChatRequest.__struct_fields__))


@given(st.dictionaries(UNTYPED, json_values, max_size=6), st.booleans(), st.none() | st.integers(1, 9))
def test_unknown_fields_reach_the_provider_as_they_were_sent(extra: dict, stream: bool, most: int | None) -> None:
    """W2, W4, W5."""
    body = json.dumps(
        {"model": "m", "messages": [{"role": "user"}], "service_tier": "flex"} | extra, ensure_ascii=False
    )
    _, fields = decode_request(CHAT, body.encode("utf-8", "replace"))
    sent = json.loads(encode_request(fields, UpstreamBody("up-stream", stream, most)))
    expected = json.loads(body.encode("utf-8", "replace")) | {"model": "up-stream"}
    del expected["service_tier"]
    if stream:
        expected["stream_options"] = {"include_usage": True}
    if most:
        expected["max_tokens"] = most
    assert sent == expected


def sent(body: bytes, *, stream: bool = False, most: int | None = None) -> bytes:
    _, fields = decode_request(CHAT, body)
    return encode_request(fields, UpstreamBody("up", stream, most))


SENT = [
    # A value keeps its bytes: blanks, escapes, number forms.
    (
        b'{"model":"m","messages":[ {"role" :"user","content":"\\u4f60\\/"} ],"temperature":1.0e0,"x":1E400}',
        b'{"model":"up","messages":[ {"role" :"user","content":"\\u4f60\\/"} ],"temperature":1.0e0,"x":1E400}',
    ),
    # W3: sent twice, also under another spelling, it is sent on once, and it is the one that was acted on.
    (
        b'{"model":"a","messages":[1],"max_tokens":1,"m\\u0061x_tokens":2,"model":"b"}',
        b'{"model":"up","messages":[1],"max_tokens":2}',
    ),
    (
        b'{"model":"a","messages":[1],"service_tier":"flex","service\\u005ftier":"test"}',
        b'{"model":"up","messages":[1]}',
    ),
    (b'{"model":"m","messages":[1],"":2}', b'{"model":"up","messages":[1],"":2}'),
]


@pytest.mark.parametrize(("body", "expected"), SENT)
def test_what_the_provider_gets(body: bytes, expected: bytes) -> None:
    assert sent(body) == expected


def test_of_a_field_sent_twice_we_and_the_provider_read_the_same() -> None:
    request, fields = decode_request(CHAT, b'{"model":"a","messages":[1],"n":1,"model":"b","n":3,"max_tokens":7}')
    assert (request.model, request.n) == ("b", 3)
    assert json.loads(encode_request(fields, UpstreamBody("up", stream=False)))["n"] == 3


OPTIONS = [
    (b"", {"include_usage": True}),
    (b',"stream_options":null', {"include_usage": True}),
    (b',"stream_options":{}', {"include_usage": True}),
    (b',"stream_options":{"include_usage":false}', {"include_usage": True}),
    (b',"stream_options":{"include_obfuscation":false}', {"include_obfuscation": False, "include_usage": True}),
]


def test_a_number_that_we_could_not_hold_is_none_of_our_business() -> None:
    body = HELLO[:-1] + b',"x":1e999,"stream_options":{"x":1e999,"include_usage":false}}'
    assert b'"x":1e999,"stream_options":{"x":1e999,"include_usage":true}' in sent(body, stream=True)


@pytest.mark.parametrize(("given_options", "expected"), OPTIONS)
def test_usage_is_always_asked_for_upstream(given_options: bytes, expected: dict) -> None:
    """W5."""
    body = HELLO[:-1] + given_options + b"}"
    assert json.loads(sent(body, stream=True))["stream_options"] == expected
    if not given_options:
        assert b"stream_options" not in sent(body)


@pytest.mark.parametrize(
    ("given_end", "expected"),
    [
        (b"", {"max_tokens": 9}),
        (b',"max_completion_tokens":null', {"max_completion_tokens": 9}),
        (b',"max_tokens":null', {"max_tokens": 9}),
    ],
)
def test_an_open_end_is_closed_by_the_field_that_the_caller_speaks(given_end: bytes, expected: dict) -> None:
    told = json.loads(sent(HELLO[:-1] + given_end + b"}", most=9))
    assert {name: value for name, value in told.items() if name.startswith("max")} == expected


TIERS = """
-          | -          | none
test       | -          | test
flex       | -          | flex
enterprise | -          | enterprise
-          | test       | test
flex       | test       | flex
auto       | -          | none
default    | -          | none
auto       | test       | none
priority   | -          | enterprise
scale      | -          | enterprise
-          | priority   | enterprise
-          | auto       | none
gold       | -          | refused
-          | gold       | refused
Flex       | -          | refused
"""


@pytest.mark.parametrize("row", TIERS.strip().splitlines())
def test_which_tier_a_call_asks_for(row: str) -> None:
    word, header, expected = (None if part.strip() == "-" else part.strip() for part in row.split("|"))
    request = ChatRequest(model="m", messages=[msgspec.Raw(b"1")], service_tier=word)
    if expected == "refused":
        with pytest.raises(PuyunError, match="expected test, flex, enterprise") as caught:
            asked_tier(request, header)
        assert (caught.value.status, caught.value.param) == (400, "service_tier")
    else:
        assert asked_tier(request, header) == (None if expected == "none" else Tier(expected))


def test_each_endpoint_has_its_request() -> None:
    assert isinstance(decode_request(COMPLETION, b'{"model":"m","prompt":["a","b"],"best_of":2}')[0], CompletionRequest)
    assert isinstance(decode_request(EMBEDDING, b'{"model":"m","input":[1,2]}')[0], EmbeddingRequest)
    assert [endpoint.upstream for endpoint in ENDPOINTS] == ["/chat/completions", "/completions", "/embeddings"]


NAMES = rename("gpt-up", "gpt-public")

ANSWERS = [
    (
        b'{"id":"x","model":"gpt-up","choices":[ 1 ],"usage":{"prompt_tokens": 1, "z":[2]}}',
        "0.5",
        b'{"id":"x","model":"gpt-public","choices":[ 1 ],"usage":{"prompt_tokens": 1, "z":[2],"cost":"0.5"},"service_tier":"flex"}',
    ),
    (
        b'{"model":"gpt-up-2026-11-25","usage":{}}',
        "0.5",
        b'{"model":"gpt-up-2026-11-25","usage":{"cost":"0.5"},"service_tier":"flex"}',
    ),
    (b'{"service_tier":"default","usage":null}', "0.5", b'{"service_tier":"flex","usage":null}'),
    (b'{"usage":{"a":1}}', None, b'{"usage":{"a":1},"service_tier":"flex"}'),
    (b'{"error":"x"}', "0.5", b'{"error":"x","service_tier":"flex"}'),
    (b'{"model":null}', None, b'{"model":null,"service_tier":"flex"}'),
]


@pytest.mark.parametrize(("body", "cost", "expected"), ANSWERS)
def test_what_the_client_gets(body: bytes, cost: str | None, expected: bytes) -> None:
    """W2, W4."""
    assert encode_answer(body, Tier.FLEX, cost, NAMES) == expected


@pytest.mark.parametrize(
    "usage", [b'{"cost":0.01,"prompt_tokens":1}', b'{"prompt_tokens":1, "cost" : 0.01 }', b'{"cost":1}']
)
def test_what_the_operator_pays_is_not_told(usage: bytes) -> None:
    """Some providers put their own price into the usage; the customer's cost takes its place."""
    told = json.loads(encode_answer(b'{"usage":%b}' % usage, Tier.FLEX, "0.5", NAMES), object_pairs_hook=list)
    assert [value for name, value in dict(told)["usage"] if name.startswith("cost")] == ["0.5"]
    assert b"cost" not in encode_answer(b'{"usage":%b}' % usage, Tier.FLEX, None, NAMES)


def test_a_chunk_without_usage() -> None:
    assert without_usage(b'{"id":"x","usage":{"a":1},"choices":[]}') == b'{"id":"x","choices":[]}'
    assert without_usage(b'{"id":"x"}') == b'{"id":"x"}'


def test_a_usage_event_for_a_provider_that_sends_none() -> None:
    first = b'{"id":"c1","object":"chat.completion.chunk","created":5,"model":"m","choices":[1],"x":2}'
    told = json.loads(usage_chunk(first, {"prompt_tokens": 3}, "0.5", Tier.TEST))
    assert told == {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": "m",
        "choices": [],
        "usage": {"prompt_tokens": 3, "cost": "0.5"},
        "service_tier": "test",
    }
    assert json.loads(usage_chunk(b"", {}, "0.00", Tier.TEST))["usage"] == {"cost": "0.00"}


SAID = [
    (b'{"delta":{"content":"hi"}}', "hi"),
    (b'{"delta":{"content":""}}', ""),
    (b'{"delta":{"content":null,"refusal":"no"}}', "no"),
    (b'{"delta":{"reasoning_content":"hm"}}', "hm"),
    (b'{"delta":{"reasoning":"hm"}}', "hm"),
    (b'{"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{}"}},{"index":1}]}}', "f{}"),
    (b'{"text":"plain"}', "plain"),
    (b'{"finish_reason":"stop"}', ""),
    (b'{"delta":{"role":"assistant"}}', ""),
]


@pytest.mark.parametrize(("choice", "expected"), SAID)
def test_what_a_chunk_says(choice: bytes, expected: str) -> None:
    chunk = decode_chunk(b'{"choices":[%b]}' % choice)
    assert chunk.choices is not None
    assert said(chunk.choices[0]) == expected


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "invalid_request_error"), (401, "authentication_error"), (402, "insufficient_quota"), (403, "permission_error"),
     (404, "invalid_request_error"), (405, "invalid_request_error"), (413, "invalid_request_error"),
     (429, "rate_limit_error"), (500, "server_error"), (503, "server_error")],
)  # fmt: skip
def test_errors(status: int, kind: str) -> None:
    error = PuyunError("some_code", status, 'Say "please".', param="p", details={"needed": "0.5"})
    assert json.loads(encode_error(error, "req_1")) == {
        "error": {
            "message": 'Say "please".',
            "type": kind,
            "param": "p",
            "code": "some_code",
            "request_id": "req_1",
            "needed": "0.5",
        }
    }


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ('[{"message":{"role":"assistant","content":""},"finish_reason":"stop"}]', False),
        ('[{"message":{"role":"assistant","content":null,"refusal":null,"annotations":[]}}]', False),
        ('[{"text":""},{"text":""}]', False),
        ("[]", False),
        ('[{"message":{"content":""}},{"message":{"content":"a"}}]', True),
        ('[{"message":{"content":null,"tool_calls":[{}]}}]', True),
        ('[{"message":{"content":"","reasoning_content":"hm"}}]', True),
        ('[{"message":{"content":"","audio":{"data":"AA"}}}]', True),
        ('[{"message":{"content":""},"finish_reason":"content_filter"}]', True),
        ('[{"text":"a"}]', True),
        ("7", True),
        (f'[{{"message":{{"content":"","padding":null}},"x":"{"x" * 1024}"}}]', True),
    ],
)
def test_whether_a_whole_answer_says_anything(choices: str, says: bool) -> None:
    assert speaks(take_apart(f'{{"choices":{choices}}}'.encode())) == says


def test_what_has_no_choices_is_no_silence() -> None:
    assert speaks(take_apart(b'{"data":[]}'))
