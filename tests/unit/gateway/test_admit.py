"""Everything that is decided from memory before the hold: each refusal of DESIGN 4.2, and how much is held."""

import json
from base64 import b64encode
from ipaddress import ip_network
from types import SimpleNamespace

import msgspec
import pytest
from prices import row

from puyun.catalog.model import TIERS, Deployment, Dialect, Kind, Model, Provider, Tier
from puyun.catalog.snapshot import Candidate, Key, SoldModel
from puyun.gateway.admit import Admission, admit, affordable_output, credentials_of, refusal
from puyun.gateway.front import Exchange
from puyun.identity.keys import fingerprint
from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.ledger.budget import Period, Subject
from puyun.ledger.command import Reason, Refused
from puyun.metering.allowance import FIRST_STEP
from puyun.metering.experience import Ended, Experience
from puyun.metering.reading import Reading
from puyun.metering.tokens import OUTPUT_DEFAULT, PER_MESSAGE
from puyun.metering.usage import Usage
from puyun.pricing.pricebook import PriceBook
from puyun.protocol.openai import ENDPOINTS
from puyun.storage.snapshots import Snapshot

NOW = Instant(100)
SECRET = "sk-puyun-test"
CHAT, COMPLETION, EMBEDDING = ENDPOINTS

KEY = Key(
    id=3,
    org=7,
    tier=Tier.FLEX,
    tiers=frozenset({Tier.FLEX, Tier.TEST}),
    models=frozenset(),
    networks=(),
    expires_at=None,
    active=True,
)


def sold(number: int, name: str, kind: Kind = Kind.CHAT, max_output: int = 1000) -> SoldModel:
    model = Model(name=name, kind=kind, context_length=8000, max_output=max_output)
    deployment = Deployment(name=f"{name}@p", provider="p", upstream_model=name)
    return SoldModel(number, model, (Candidate(number, deployment, Provider(name="p", dialect=Dialect.ECHO)),))


MODELS = [
    sold(1, "m"),
    sold(2, "endless", max_output=0),
    sold(3, "vec", Kind.EMBEDDING),
    sold(4, "mute"),
    sold(5, "free"),
]
PRICES = [
    row("1 input 2000 from 0"),
    row("2 output 10000 from 0"),
    row("3 input 2000 from 0", model="endless"),
    row("4 output 10000 from 0", model="endless"),
    row("5 input 3000 from 0", model="vec"),
    row("6 input 2000 from 0", model="mute"),
    row("7 input 0 from 0", model="free"),
    row("8 output 0 from 0", model="free"),
    row("9 input 1 from 1000", tier=Tier.TEST),
    row("10 output 1 from 1000", tier=Tier.TEST),
]
SNAPSHOT = Snapshot(1, {entry.model.name: entry for entry in MODELS}, PriceBook(PRICES))


def exchange(body: bytes, headers: list[tuple[bytes, bytes]] | None = None, endpoint=CHAT, peer: str = "1.2.3.4"):
    given = [(b"authorization", b"Bearer " + SECRET.encode())] if headers is None else headers
    found = Exchange(SimpleNamespace(client=(peer, 5) if peer else None), endpoint, given, "1.1")
    found.body = body
    return found


def admitted(
    body: dict | bytes, *, key: Key = KEY, proxies=(), now: Instant = NOW, experience: Experience | None = None, **how
) -> Admission:
    raw = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    known = experience or Experience()
    return admit(exchange(raw, **how), {fingerprint(SECRET): key}, SNAPSHOT, now, proxies, experience=known)


def refused(body: dict | bytes | None = None, **how) -> PuyunError:
    with pytest.raises(PuyunError) as caught:
        admitted(HELLO if body is None else body, **how)
    return caught.value


HELLO = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


# --- who -----------------------------------------------------------------------------------------------------------
HEADERS = [
    ([], "-"),
    ([(b"authorization", b"Bearer k1")], "k1"),
    ([(b"authorization", b"bearer  k1 ")], "k1"),
    ([(b"x-api-key", b"k2")], "k2"),
    ([(b"x-api-key", b"k1"), (b"authorization", b"Bearer k1")], "k1"),
    ([(b"authorization", b"Bearer k1"), (b"x-api-key", b"")], "k1"),
    ([(b"authorization", b"Basic dXNlcg=="), (b"x-api-key", b"k2")], "k2"),
    ([(b"authorization", b"Basic dXNlcg==")], "-"),
    ([(b"authorization", b"Bearer")], ""),
]


@pytest.mark.parametrize(("headers", "secret"), HEADERS)
def test_where_a_key_may_stand(headers: list[tuple[bytes, bytes]], secret: str) -> None:
    found = credentials_of(headers).secret
    assert found == (None if secret == "-" else secret.encode())


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", b"Bearer " + SECRET.encode()), (b"x-api-key", b"sk-puyun-other")],
        [(b"x-api-key", b"sk-puyun-other"), (b"authorization", b"Bearer " + SECRET.encode())],
        [(b"x-api-key", b"sk-puyun-other"), (b"x-api-key", SECRET.encode())],
        [(b"authorization", b"Bearer sk-puyun-other"), (b"authorization", b"bearer " + SECRET.encode())],
    ],
)
def test_two_keys_that_differ_are_refused_whichever_comes_first(headers: list[tuple[bytes, bytes]]) -> None:
    error = refused(headers=headers)
    assert (error.status, error.code) == (401, "invalid_api_key")
    assert error.message.startswith("Two different API keys")
    assert SECRET not in error.message


@pytest.mark.parametrize(
    ("key", "headers"),
    [
        (KEY, []),
        (KEY, [(b"authorization", b"Bearer sk-puyun-other")]),
        (KEY, [(b"authorization", b"Bearer ")]),
        (KEY, [(b"authorization", b"Bearer \xff\xfe")]),
        (msgspec.structs.replace(KEY, active=False), None),
        (msgspec.structs.replace(KEY, expires_at=NOW), None),
        (msgspec.structs.replace(KEY, expires_at=Instant(NOW - 1)), None),
    ],
    ids=["none", "unknown", "empty", "no text", "revoked", "expires now", "expired"],
)
def test_no_key_no_call(key: Key, headers: list[tuple[bytes, bytes]] | None) -> None:
    error = refused(key=key, headers=headers)
    assert (error.status, error.code) == (401, "invalid_api_key")
    assert SECRET not in error.message


def test_a_key_that_expires_later_is_good() -> None:
    assert admitted(HELLO, key=msgspec.structs.replace(KEY, expires_at=Instant(NOW + 1))).key.id == 3


ADDRESSES = """
10.0.0.0/8          | 10.1.2.3    | -                  | -          | yes
10.0.0.0/8          | 11.1.2.3    | -                  | -          | no
10.0.0.0/8 fd00::/8 | fd00::5     | -                  | -          | yes
10.0.0.0/8          | fd00::5     | -                  | -          | no
10.0.0.0/8          | -           | -                  | -          | no
10.0.0.0/8          | 11.1.2.3    | 10.1.2.3           | -          | no
10.0.0.0/8          | 127.0.0.1   | 10.1.2.3           | 127.0.0.1  | yes
10.0.0.0/8          | 127.0.0.1   | 9.9.9.9, 10.1.2.3  | 127.0.0.1  | yes
10.0.0.0/8          | 127.0.0.1   | 10.1.2.3, 9.9.9.9  | 127.0.0.1  | no
10.0.0.0/8          | 127.0.0.1   | nonsense           | 127.0.0.1  | no
10.0.0.0/8          | 127.0.0.1   | -                  | 127.0.0.1  | no
127.0.0.0/8         | 127.0.0.1   | -                  | 127.0.0.1  | yes
10.0.0.0/8          | 11.1.2.3    | 10.1.2.3           | 127.0.0.1  | no
"""


@pytest.mark.parametrize("line", ADDRESSES.strip().splitlines())
def test_from_where_a_key_may_be_used(line: str) -> None:
    """Whoever is not a trusted proxy cannot say who he is."""
    allowed, peer, forwarded, proxy, answer = ("" if part.strip() == "-" else part.strip() for part in line.split("|"))
    key = msgspec.structs.replace(KEY, networks=tuple(ip_network(text) for text in allowed.split()))
    proxies = (ip_network(proxy),) if proxy else ()
    headers = [(b"authorization", b"Bearer " + SECRET.encode())]
    if forwarded:
        headers.append((b"x-forwarded-for", forwarded.encode()))
    if answer == "yes":
        assert admitted(HELLO, key=key, proxies=proxies, peer=peer, headers=headers).key is key
    else:
        error = refused(key=key, proxies=proxies, peer=peer, headers=headers)
        assert (error.status, error.code) == (403, "ip_not_allowed")


# --- what ----------------------------------------------------------------------------------------------------------
def test_who_calls_is_asked_before_what() -> None:
    assert refused(b"{", headers=[]).status == 401


def asked(**fields) -> dict:
    return HELLO | fields


REFUSALS = [
    (asked(model="none"), CHAT, 404, "model_not_found", "model"),
    (asked(model="vec"), CHAT, 400, "invalid_request_error", "model"),
    ({"model": "m", "input": "x"}, EMBEDDING, 400, "invalid_request_error", "model"),
    (asked(service_tier="enterprise"), CHAT, 403, "tier_not_allowed", "service_tier"),
    (asked(service_tier="gold"), CHAT, 400, "invalid_request_error", "service_tier"),
    (asked(service_tier="test"), CHAT, 403, "offer_not_available", "model"),
    (asked(model="mute"), CHAT, 403, "offer_not_available", "model"),
    (asked(modalities=["text", "audio"]), CHAT, 403, "offer_not_available", "model"),
    (asked(n=0), CHAT, 400, "invalid_request_error", "n"),
]


@pytest.mark.parametrize(("body", "endpoint", "status", "code", "param"), REFUSALS)
def test_refusal(body: dict, endpoint, status: int, code: str, param: str) -> None:
    error = refused(body, endpoint=endpoint)
    assert (error.status, error.code, error.param) == (status, code, param)


def test_a_key_that_is_bound_to_models_does_not_learn_of_others() -> None:
    bound = msgspec.structs.replace(KEY, models=frozenset({"endless"}))
    assert refused(key=bound).message == refused(asked(model="none")).message.replace("none", "m")
    assert admitted(asked(model="endless"), key=bound)


def test_an_announced_price_opens_the_offer_when_it_begins() -> None:
    assert refused(asked(service_tier="test"), now=Instant(999)).code == "offer_not_available"
    assert admitted(asked(service_tier="test"), now=Instant(1000)).tier is Tier.TEST


def test_the_tier_is_the_body_s_then_the_header_s_then_the_key_s() -> None:
    key = msgspec.structs.replace(KEY, tiers=frozenset(TIERS), tier=Tier.FLEX)
    headers = [(b"x-api-key", SECRET.encode()), (b"x-service-tier", b" Test ")]
    later = Instant(1000)
    assert admitted(HELLO, key=key, headers=headers, now=later).tier is Tier.TEST
    assert admitted(asked(service_tier="flex"), key=key, headers=headers, now=later).tier is Tier.FLEX
    assert admitted(HELLO, key=key, now=later).tier is Tier.FLEX


# --- how much ------------------------------------------------------------------------------------------------------
def test_what_is_held_covers_the_bound_of_the_input_and_the_end_of_the_output() -> None:
    body = json.dumps(asked(max_tokens=7), separators=(",", ":")).encode()
    found = admitted(body)
    inputs = -(-len(body) // 2) + PER_MESSAGE
    assert (found.input_held, found.output_held, found.facts.most) == (inputs, 7, 7)
    assert found.amount == -(-(inputs * 2000 + 7 * 10000) // 1000)


OUTPUTS = [
    (asked(), 1000, 1000),
    (asked(max_tokens=None), 1000, 1000),
    (asked(max_tokens=50), 50, 50),
    (asked(max_tokens=5000), 1000, 1000),
    (asked(max_completion_tokens=60), 60, 60),
    (asked(max_completion_tokens=60, max_tokens=50), 60, 60),
    (asked(max_tokens=50, n=4), 200, 50),
    (asked(n=4), 4000, 1000),
    (asked(model="endless"), OUTPUT_DEFAULT, 8000),
    (asked(model="endless", max_tokens=50_000), 50_000, 50_000),
    (asked(stream=True, max_tokens=50), 50, 50),
    (asked(stream=True, model="endless"), FIRST_STEP, 8000),
    (asked(stream=True, model="endless", max_tokens=50_000, n=2), 2 * FIRST_STEP, 50_000),
]


@pytest.mark.parametrize(("body", "outputs", "most"), OUTPUTS)
def test_output_held_and_where_one_answer_ends(body: dict, outputs: int, most: int) -> None:
    found = admitted(body)
    assert (found.output_held, found.facts.most) == (outputs, most)


PROMPTS = [
    ("hi", {}, 10),
    (["hi"], {}, 10),
    (["a", "b", "c"], {}, 30),
    ([], {}, 10),
    ([15339, 1917, 11], {}, 10),
    ([[15339, 1917], [11]], {}, 20),
    ([10**30, 1e300], {}, 10),
    ("hi", {"n": 2, "best_of": 5}, 50),
    (["a", "b"], {"n": 3}, 60),
]


@pytest.mark.parametrize(("prompt", "fields", "outputs"), PROMPTS)
def test_completions_answer_each_prompt(prompt: object, fields: dict, outputs: int) -> None:
    """A prompt of token numbers is one prompt."""
    found = admitted({"model": "m", "prompt": prompt, "max_tokens": 10} | fields, endpoint=COMPLETION)
    assert found.output_held == outputs


@pytest.mark.parametrize("prompt", [rb'["\q"]', rb'["\ud800"]', b'["a",', b'["a"}', rb'"\q"', b"[1e999]"])
def test_a_prompt_that_is_no_json_is_the_caller_s_fault(prompt: bytes) -> None:
    body = b'{"model":"m","max_tokens":10,"prompt":%b}' % prompt
    try:
        admitted(body, endpoint=COMPLETION)
    except PuyunError as error:
        assert error.status == 400  # noqa: PT017 - what a provider would take may pass, nothing else may


def test_what_is_no_chat_is_held_for_as_one_message() -> None:
    body = b'{"model":"m","prompt":"hi","max_tokens":1}'
    assert admitted(body, endpoint=COMPLETION).input_held == len(body) // 2 + PER_MESSAGE


def test_an_embedding_has_no_output() -> None:
    found = admitted({"model": "vec", "input": ["a", "b"]}, endpoint=EMBEDDING)
    assert (found.output_held, found.facts.most) == (0, 0)
    assert found.amount == found.input_held * 3


def image(url: str) -> dict:
    return asked(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}])


def png(width: int, height: int, size: int) -> str:
    """A picture's first bytes, and as many more as a picture may have."""
    head = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + width.to_bytes(4) + height.to_bytes(4)
    return "data:image/png;base64," + b64encode(head + bytes(size)).decode()


def test_an_inline_image_is_held_for_by_its_width_and_height_and_not_by_its_bytes() -> None:
    light, heavy, large = (
        admitted(image(png(*shape))) for shape in ((512, 512, 9), (512, 512, 300_000), (4096, 4096, 9))
    )
    assert light.input_held == heavy.input_held < 2000
    assert light.input_held < large.input_held
    linked = admitted(image("https://example.com/cat.png"))
    assert linked.input_held >= large.input_held - 100, "one that lies elsewhere may be as large as there are"


@pytest.mark.parametrize(
    "text",
    [
        '"url":"data:image/png;base64,' + "A" * 4000 + '"',
        "data:image/png;base64," + "A" * 4000,
        '"image_url": "url":"data:;base64,' + "A" * 4000 + '" "image_url"',
    ],
)
def test_text_cannot_pass_for_an_image(text: str) -> None:
    found = admitted(asked(messages=[{"role": "user", "content": text}]))
    assert found.input_held > 2000


def test_letters_outside_ascii_are_held_for_as_more() -> None:
    plain, other = (
        admitted(json.dumps(asked(user=text), ensure_ascii=False).encode()) for text in ("x" * 300, "你" * 100)
    )
    assert other.input_held > plain.input_held


def test_what_calls_have_taught_makes_holds_tight() -> None:
    experience, body = Experience(), asked(stream=True, model="endless", user="x" * 2000)
    first = admitted(body, experience=experience)
    for _ in range(200):
        usage = Usage(input=first.facts.text // 4, output=300)
        experience.learn(Ended(first.facts, Reading(usage), 1000))
    later = admitted(body, experience=experience)
    assert first.output_held == FIRST_STEP
    assert 300 <= later.output_held < 400
    assert first.facts.text // 4 <= later.input_held < first.input_held * 3 // 5


# --- the wallet ----------------------------------------------------------------------------------------------------
def test_an_open_end_is_closed_where_the_wallet_could_not_pay_for_the_longest_answer() -> None:
    found = admitted(asked(model="endless"))  # 4096 held, 8000 of context; a token costs 10 nano-units
    assert affordable_output(found, 0) == OUTPUT_DEFAULT
    assert affordable_output(found, 100) == OUTPUT_DEFAULT + 10
    assert affordable_output(found, 109) == OUTPUT_DEFAULT + 10
    assert affordable_output(found, (8000 - OUTPUT_DEFAULT) * 10) is None


def test_the_rest_is_shared_among_the_answers() -> None:
    found = admitted(asked(model="endless", n=2))
    assert affordable_output(found, 100) == OUTPUT_DEFAULT + 5


def test_an_end_that_the_caller_set_or_that_costs_nothing_stays() -> None:
    assert affordable_output(admitted(asked(max_tokens=5)), 0) is None
    assert affordable_output(admitted(asked(model="free")), 0) is None
    assert affordable_output(admitted(HELLO), 0) is None


REASONS = [
    (
        Refused(Reason.CREDIT, 2_000_000, 500),
        "the wallet",
        {"needed": "0.002", "available": "0.0000005", "guard": "credit"},
    ),
    (
        Refused(Reason.BUDGET, 5, 0, Subject.KEY, Period.TOTAL),
        "the key's budget has",
        {"needed": "0.000000005", "available": "0.00", "guard": "budget", "subject": "key", "period": "total"},
    ),
    (
        Refused(Reason.BUDGET, 5, 0, Subject.MEMBER, Period.DAY),
        "the member's daily budget has",
        {"needed": "0.000000005", "available": "0.00", "guard": "budget", "subject": "member", "period": "day"},
    ),
    (
        Refused(Reason.BUDGET, 5, 0, Subject.ORGANIZATION, Period.MONTH),
        "the organization's monthly budget has",
        {"needed": "0.000000005", "available": "0.00", "guard": "budget", "subject": "organization", "period": "month"},
    ),
    (Refused(Reason.FROZEN, 5, 0), "frozen", {}),
    (Refused(Reason.NO_WALLET), "the wallet", {"needed": "0.00", "available": "0.00", "guard": "no_wallet"}),
]


@pytest.mark.parametrize(("reason", "words", "details"), REASONS)
def test_what_the_customer_hears_when_the_ledger_says_no(reason: Refused, words: str, details: dict[str, str]) -> None:
    error = refusal(reason)
    assert (error.status, error.code, error.headers) == (402, "insufficient_credit", {"x-should-retry": "false"})
    assert words in error.message
    assert error.details == details
