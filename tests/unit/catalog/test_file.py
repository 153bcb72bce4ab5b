"""The catalogue file as text: what it means, and every way it is refused."""

import textwrap

import pytest

from puyun.catalog.fault import CatalogErrors, Fault
from puyun.catalog.file import locate, parse
from puyun.catalog.model import CatalogFile, Deployment, Dialect, Kind, Model, Price, Provider, Tier
from puyun.kit.clock import parse_instant

GOOD = """\
# A shop with one model.
[[providers]]
name = "openai"
dialect = "openai"
base_url = "https://api.openai.com/v1"
api_key = "env:OPENAI_API_KEY"

[[deployments]]
name = "gpt-4o@openai"
provider = "openai"
upstream_model = "gpt-4o"
pool = "shared"
seats = 32
rpm = 500
itpm = 30_000
otpm = 8_000

[[models]]
name = "gpt-4o"
kind = "chat"
context_length = 128000
max_output = 16384
deployments = ["gpt-4o@openai"]
vendor = "OpenAI"
label = "示范"
description = "A \\"quoted\\" word"
created = 1715367049

[[prices]]
model = "gpt-4o"
tier = "flex"
output = "10.00"
input = "2.50"
from = 2026-12-01T00:00:00Z

[[prices]]
model = "gpt-4o"
tier = "test"
input = "0"
cached_input = "withdrawn"
"""

DECEMBER = parse_instant("2026-12-01T00:00:00Z")


def price(tier: Tier, meter: str, amount: int | None, effective_from: int | None = None) -> Price:
    return Price(model="gpt-4o", tier=tier, meter=meter, amount=amount, effective_from=effective_from)


def faults(text: str) -> list[Fault]:
    with pytest.raises(CatalogErrors) as refused:
        parse(textwrap.dedent(text), "shop.toml")
    assert refused.value.source == "shop.toml"
    return refused.value.faults


def test_a_good_file() -> None:
    assert parse(GOOD) == CatalogFile(
        providers=(
            Provider(
                name="openai",
                dialect=Dialect.OPENAI,
                base_url="https://api.openai.com/v1",
                api_key="env:OPENAI_API_KEY",
            ),
        ),
        deployments=(
            Deployment(
                name="gpt-4o@openai",
                provider="openai",
                upstream_model="gpt-4o",
                seats=32,
                rpm=500,
                itpm=30_000,
                otpm=8_000,
            ),
        ),
        models=(
            Model(
                name="gpt-4o",
                kind=Kind.CHAT,
                context_length=128_000,
                max_output=16_384,
                deployments=("gpt-4o@openai",),
                vendor="OpenAI",
                label="示范",
                description='A "quoted" word',
                created=1_715_367_049,
            ),
        ),
        prices=(
            price(Tier.FLEX, "input", 2_500_000, DECEMBER),
            price(Tier.FLEX, "output", 10_000_000, DECEMBER),
            price(Tier.TEST, "input", 0),
            price(Tier.TEST, "cached_input", None),
        ),
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "models = []\n"])
def test_an_empty_file_is_an_empty_catalogue(text: str) -> None:
    assert parse(text) == CatalogFile()


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm() -> None:
    assert parse("\ufeff" + GOOD.replace("\n", "\r\n")) == parse(GOOD)


def test_inline_tables_mean_the_same() -> None:
    text = 'models = [{ name = "m", kind = "chat", context_length = 10 }]'
    assert parse(text).models == (Model(name="m", kind=Kind.CHAT, context_length=10),)


def test_every_fault_in_one_go() -> None:
    found = faults("""\
        [[providers]]
        name = "open ai"
        dialect = "openia"
        api_key = "sk-123"

        [[model]]
        name = "x"

        [[models]]
        name = "gpt-4o"
        kind = "chat"
        contex_length = 128000
        deployments = "gpt-4o@openai"

        [[prices]]
        model = "gpt-4o"
        tier = "platinum"
        input = 2.5
        outptu = "10"

        [[prices]]
        model = "gpt-4o"
        tier = "flex"
        from = "tomorrow"
    """)
    assert [(fault.line, fault.where) for fault in found] == [
        (2, "providers[1].name"),
        (3, "providers[1].dialect"),
        (4, "providers[1].api_key"),
        (6, "model"),
        (9, "models.gpt-4o"),
        (12, "models.gpt-4o.contex_length"),
        (13, "models.gpt-4o.deployments"),
        (17, "prices[1].tier"),
        (18, "prices[1].input"),
        (19, "prices[1].outptu"),
        (24, "prices[2].from"),
    ]


HEAD = '[[models]]\nname = "m"\nkind = "chat"\ncontext_length = 8\n'
OFFER = '[[prices]]\nmodel = "m"\ntier = "flex"\n'


@pytest.mark.parametrize(
    ("text", "line", "where", "says"),
    [
        ("[[providers]\n", 1, "", "not TOML: Expected ']]'"),
        ("a = 1\nb = \n", 2, "", "not TOML: Invalid value"),
        ('[[models]]\nname = "a', 2, "", "not TOML:"),
        ('[[models]]\nname = "a"\nname = "b"\n', 3, "", "not TOML: Cannot overwrite a value"),
        ("a = 2026-13-01\n", 1, "", "not TOML"),
        ("x = " + "[" * 5000, None, "", "nested too deeply"),
        ("x = " + "1" * 5000, None, "", "digit"),
        ("version = 1\n", 1, "version", 'unknown section "version"; expected one of providers, deployments'),
        ("[[prise]]\n", 1, "prise", 'did you mean "prices"?'),
        ("[extra.deep]\n", 1, "extra", 'unknown section "extra"'),
        ('\n[models]\nname = "a"\n', 2, "models", r"begin with \[\[models\]\]"),
        ('models = "gpt"\n', 1, "models", r"begin with \[\[models\]\]"),
        ("models = [1]\n", 1, "models", r"begin with \[\[models\]\]"),
        ('[[providers]]\ndialect = "echo"\n', 1, "providers[1]", '"name" is missing'),
        ('[[providers]]\nname = "p"\n', 1, "providers.p", '"dialect" is missing'),
        ('[[deployments]]\nname = "d"\nprovider = "p"\n', 1, "deployments.d", '"upstream_model" is missing'),
        (HEAD.replace("kind", "Kind"), 3, "models.m.Kind", 'unknown key "Kind"; did you mean "kind"?'),
        (HEAD + "max_output = -1\n", 5, "models.m.max_output", "out of range"),
        (HEAD.replace("8", "0"), 4, "models.m.context_length", "out of range"),
        (HEAD.replace('"chat"', '"chats"'), 3, "models.m.kind", 'did you mean "chat"'),
        (HEAD + 'label = """two\nlines"""\n', 5, "models.m.label", "one line"),
        (HEAD + "\n" + HEAD, 7, "models.m.name", "a second entry of this name; the first is on line 2"),
        ('[[prices]]\ntier = "flex"\ninput = "1"\n', 1, "prices[1]", '"model" is missing'),
        ('[[prices]]\nmodel = "m"\ninput = "1"\n', 1, "prices[1]", '"tier" is missing'),
        (
            '[[prices]]\nmodel = "m"\ntier = "flex"\n',
            1,
            "prices.m.flex",
            "no meter is priced; expected at least one of",
        ),
        (
            OFFER + 'input = "1.5.5"\n',
            4,
            "prices.m.flex.input",
            "'1.5.5' is not a price per million tokens",
        ),
        (
            OFFER + 'imput = "1"\n',
            4,
            "prices.m.flex.imput",
            'unknown key "imput"; did you mean "input"?',
        ),
        (
            OFFER + 'input = "1"\n\n' + OFFER + 'output = "1"\ninput = "2"\n',
            10,
            "prices.m.flex.input",
            "a second price of this meter; the first is on line 4",
        ),
    ],
)
def test_refused(text: str, line: int | None, where: str, says: str) -> None:
    found = [fault for fault in faults(text) if fault.where == where]
    assert len(found) == 1
    assert found[0].line == line
    with pytest.raises(CatalogErrors, match=says):
        parse(text)


def test_the_same_meter_at_two_dates_is_an_announcement() -> None:
    text = OFFER + 'input = "1"\n'
    dated = text + "from = 2026-12-01T00:00:00Z\n"
    assert [each.effective_from for each in parse(text + dated).prices] == [None, DECEMBER]


def test_a_broken_entry_still_claims_its_name() -> None:
    found = faults('[[providers]]\nname = "p"\n\n[[providers]]\nname = "p"\ndialect = "echo"\n')
    assert [(fault.line, fault.where) for fault in found] == [(1, "providers.p"), (5, "providers.p.name")]


def test_every_repetition_points_to_the_first() -> None:
    found = faults(HEAD * 3)
    assert [(fault.line, fault.message.rpartition(" ")[2]) for fault in found] == [(6, "2"), (10, "2")]


def test_a_literal_secret_is_never_repeated() -> None:
    found = faults('[[providers]]\nname = "p"\ndialect = "openai"\napi_key = "sk-proj-abcdef"\n')
    assert found[0].line == 4
    assert "abcdef" not in str(CatalogErrors("shop.toml", found))


def test_faults_of_the_whole_catalogue_get_their_lines() -> None:
    places = {
        "deployments.gpt-4o@openai.provider": 10,
        "models.gpt-4o": 18,
        "models.gpt-4o.kind": 20,
        "providers.openai.nothing": 2,
        "prices.gpt-4o.flex@2026-12-01T00:00:00Z.output": 32,
        "prices.gpt-4o.test": 36,
        "elsewhere": None,
    }
    found = locate(GOOD, [Fault(None, where, "x") for where in places])
    assert {fault.where: fault.line for fault in found} == places
