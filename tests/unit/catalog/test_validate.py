"""Faults that only a look at the whole catalogue can find."""

import pytest

from puyun.catalog.fault import FaultKind, refusals
from puyun.catalog.file import locate, parse
from puyun.catalog.model import CatalogFile
from puyun.catalog.validate import check
from puyun.kit.clock import DAY, Instant, parse_instant

NOW = parse_instant("2026-11-25T00:00:00Z")

SHOP = """\
[[providers]]
name = "p"
dialect = "openai"
base_url = "https://p.example/v1"

[[deployments]]
name = "d"
provider = "p"
upstream_model = "up"

[[models]]
name = "m"
kind = "chat"
context_length = 8192
deployments = ["d"]

[[models]]
name = "e"
kind = "embedding"
context_length = 512
deployments = ["d"]

[[models]]
name = "i"
kind = "image"
context_length = 512
deployments = ["d"]

[[prices]]
model = "m"
tier = "flex"
input = "2.50"
output = "10.00"
from = 2026-11-01T00:00:00Z

[[prices]]
model = "e"
tier = "flex"
input = "0.10"
from = 2026-11-01T00:00:00Z

[[prices]]
model = "i"
tier = "flex"
image = "5.00"
from = 2026-11-01T00:00:00Z
"""

EXISTING = parse(SHOP)


def found(text: str, existing: CatalogFile | None = EXISTING) -> list[tuple[str, FaultKind, str]]:
    return [(fault.where, fault.kind, fault.message) for fault in check(parse(text), existing, NOW)]


def offer(model: str, *lines: str, tier: str = "flex") -> str:
    return "\n".join([f'[[prices]]\nmodel = "{model}"\ntier = "{tier}"', *lines, ""])


@pytest.mark.parametrize("existing", [None, EXISTING])
def test_a_whole_shop_is_without_fault(existing: CatalogFile | None) -> None:
    assert found(SHOP, existing) == []


def test_a_file_may_refer_to_what_is_already_there() -> None:
    text = '[[models]]\nname = "n"\nkind = "chat"\ncontext_length = 8\ndeployments = ["d"]\n'
    assert found(text + offer("n", 'input = "1"', 'output = "1"') + offer("m", 'cached_input = "1"')) == []


REFERENCES = """\
[[deployments]]
name = "d2"
provider = "nobody"
upstream_model = "up"

[[models]]
name = "n"
kind = "chat"
context_length = 8
deployments = ["d2", "d3"]
""" + offer("x", 'input = "1"', 'output = "1"') + offer("n", 'input = "1"', 'output = "1"')  # fmt: skip


def test_references_lead_somewhere() -> None:
    faults = locate(REFERENCES, check(parse(REFERENCES), EXISTING, NOW))
    assert [(fault.line, fault.where, fault.kind) for fault in faults] == [
        (3, "deployments.d2.provider", FaultKind.BROKEN),
        (10, "models.n.deployments", FaultKind.BROKEN),
        (12, "prices.x.flex.model", FaultKind.BROKEN),
    ]
    assert 'no deployment "d3"' in faults[1].message


def test_only_echo_needs_no_address() -> None:
    text = '[[providers]]\nname = "{}"\ndialect = "{}"\n'
    assert found(text.format("e", "echo")) == []
    [(where, kind, message)] = found(text.format("a", "anthropic"))
    assert (where, kind) == ("providers.a", FaultKind.BROKEN)
    assert "base_url" in message


def test_a_model_that_nobody_can_buy_or_reach_is_a_warning() -> None:
    text = '[[models]]\nname = "n"\nkind = "chat"\ncontext_length = 8\n'
    faults = check(parse(text), EXISTING, NOW)
    assert [(fault.where, fault.kind) for fault in faults] == [("models.n", FaultKind.WARNING)] * 2
    assert refusals(faults) == []


def test_a_model_whose_price_is_in_the_catalogue_is_not_warned_of() -> None:
    assert found('[[models]]\nname = "m"\nkind = "chat"\ncontext_length = 8\ndeployments = ["d"]\n') == []


@pytest.mark.parametrize(
    ("text", "lacking"),
    [
        (offer("m", 'input = "1"', tier="test"), "priced for input but not for output; a chat model needs both"),
        (offer("m", 'output = "1"', tier="test"), "priced for output but not for input"),
        (offer("m", 'cached_input = "1"', 'output = "1"', tier="test"), "priced for cached_input, output but not"),
        (offer("m", 'output = "withdrawn"'), "priced for input but not for output"),
        (offer("m", 'input = "withdrawn"'), "priced for output but not for input"),
        (
            offer("m", 'output = "withdrawn"', "from = 2026-12-01T00:00:00Z"),
            "not for output from 2026-12-01T00:00:00Z on",
        ),
        (
            offer("m", 'input = "1"', tier="test") + offer("m", 'output = "1"', "from = 2026-12-01", tier="test"),
            "not for output",
        ),
        (offer("e", 'output = "1"', tier="test"), "priced for output but not for input"),
        (offer("i", 'output = "1"', tier="test"), "priced for output but not for input"),
    ],
)
def test_an_offer_that_cannot_be_billed_is_refused(text: str, lacking: str) -> None:
    [(where, kind, message)] = found(text)
    assert (where.split("@")[0].rpartition(".")[0], kind) == (f"prices.{parse(text).prices[0].model}", FaultKind.BROKEN)
    assert lacking in message


@pytest.mark.parametrize(
    "text",
    [
        offer("m", 'input = "withdrawn"', 'output = "withdrawn"'),
        offer("m", 'input = "1"', 'output = "1"', "from = 2026-12-01", tier="test"),
        offer("e", 'input = "1"', tier="test"),
        offer("i", 'image = "1"', tier="test"),
        offer("i", 'input = "1"', tier="test"),
        offer("m", 'input = "3"'),
    ],
)
def test_an_offer_that_can_be_billed_or_is_not_made(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("amount", "implausible"),
    [("25.00", False), ("25.000001", True), ("0.25", False), ("0.249999", True), ("0", True), ("withdrawn", False)],
)
def test_a_price_ten_times_off_needs_force(amount: str, implausible: bool) -> None:
    text = offer("m", f'input = "{amount}"', 'output = "withdrawn"' if amount == "withdrawn" else 'output = "9"')
    faults = locate(text, check(parse(text), EXISTING, NOW))
    assert [(fault.line, fault.where, fault.kind) for fault in faults] == (
        [(4, "prices.m.flex.input", FaultKind.IMPLAUSIBLE)] if implausible else []
    )
    assert bool(refusals(faults)) is implausible
    assert refusals(faults, force=True) == []


def test_a_price_is_compared_with_the_one_in_force_when_it_starts() -> None:
    announced = parse(SHOP.replace("2.50", "20.00") + offer("m", 'input = "1.00"', "from = 2026-11-01T00:00:01Z"))
    dated = offer("m", 'input = "9.00"', "from = 2026-12-01")
    assert check(parse(dated), announced, NOW) == []
    assert [fault.kind for fault in check(parse(dated.replace("9.00", "11")), announced, NOW)] == [
        FaultKind.IMPLAUSIBLE
    ]


def test_a_step_within_one_file_counts_too() -> None:
    [(where, kind, message)] = found(SHOP + offer("m", 'input = "0.000002"', "from = 2026-12-01T00:00:00Z"), None)
    assert (where, kind) == ("prices.m.flex@2026-12-01T00:00:00Z.input", FaultKind.IMPLAUSIBLE)
    assert message.startswith("2.50 → 0.000002 is a change by more than 10 times; prices are per million tokens")
    assert "--force" in message


def test_what_has_passed_by_then_is_not_looked_at() -> None:
    later = Instant(NOW + 30 * DAY)
    text = offer("m", 'input = "1000"') + offer("m", 'input = "2.50"', "from = 2026-12-01")
    assert [fault.kind for fault in check(parse(text), EXISTING, NOW)] == [FaultKind.IMPLAUSIBLE] * 2
    assert check(parse(text), EXISTING, later) == []


@pytest.mark.parametrize(
    ("provider", "deployment", "where"),
    [
        ("", "", ["deployments.x.lend"]),
        ("", "own = true", []),
        ('engine = "vllm"', "", []),
        ('engine = "vllm"', 'pool = "shared"', ["deployments.x.lend"]),
    ],
)
def test_only_seats_on_an_engine_of_one_s_own_are_lent(provider: str, deployment: str, where: list[str]) -> None:
    pool = "" if "pool" in deployment else 'pool = "enterprise"'
    text = f"""\
[[providers]]
name = "q"
dialect = "openai"
base_url = "https://q.example/v1"
{provider}
[[deployments]]
name = "x"
provider = "q"
upstream_model = "up"
lend = true
{pool}
{deployment}
"""
    assert [found_where for found_where, _, _ in found(text)] == where


def test_the_echo_provider_is_no_engine() -> None:
    text = '[[providers]]\nname = "e"\ndialect = "echo"\nengine = "llamacpp"\n'
    assert [where for where, _, _ in found(text)] == ["providers.e.engine"]
