from hypothesis import given, strategies as st

from puyun.catalog.export import canonical, to_toml
from puyun.catalog.file import parse
from puyun.catalog.model import METERS, CatalogFile, Deployment, Dialect, Engine, Kind, Model, Price, Provider, Tier
from puyun.kit.clock import parse_instant
from puyun.kit.money import PRICE_MAX

DECEMBER = parse_instant("2026-12-01T00:00:00Z")


WRITTEN = """\
[[providers]]
name = "a"
dialect = "echo"

# The second address.
# In Frankfurt.
[[providers]]
name = "b"
dialect = "openai"
base_url = "https://b.example/v1"
api_key = "env:B"

[[deployments]]
name = "m@b"
provider = "b"
upstream_model = "m"
seats = 8
rpm = 60

[[models]]
name = "m"
kind = "chat"
context_length = 8192
deployments = ["m@b"]
label = "so \\"new\\""

[[prices]]
model = "m"
tier = "test"
input = "0.000001"

# Until December.
[[prices]]
model = "m"
tier = "flex"
input = "2.50"

[[prices]]
model = "m"
tier = "flex"
input = "withdrawn"
output = "10.00"
from = 2026-12-01T00:00:00Z
"""


def test_the_file_that_is_written() -> None:
    file = CatalogFile(
        providers=(
            Provider(name="b", dialect=Dialect.OPENAI, base_url="https://b.example/v1", api_key="env:B"),
            Provider(name="a", dialect=Dialect.ECHO),
        ),
        deployments=(Deployment(name="m@b", provider="b", upstream_model="m", seats=8, rpm=60),),
        models=(Model(name="m", kind=Kind.CHAT, context_length=8192, deployments=("m@b",), label='so "new"'),),
        prices=(
            Price(model="m", tier=Tier.FLEX, meter="output", amount=10_000_000, effective_from=DECEMBER),
            Price(model="m", tier=Tier.FLEX, meter="input", amount=2_500_000),
            Price(model="m", tier=Tier.FLEX, meter="input", amount=None, effective_from=DECEMBER),
            Price(model="m", tier=Tier.TEST, meter="input", amount=1),
        ),
    )
    notes = {"providers.b": "The second address.\nIn Frankfurt.", "prices.m.flex": "Until December.", "models.x": "-"}
    assert to_toml(file, notes) == WRITTEN


def test_nothing_is_written_as_nothing() -> None:
    assert not to_toml(CatalogFile())


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,20}", fullmatch=True)
LINES = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=40)
COUNTS = st.none() | st.integers(1, 10**12)
WORDS = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=20)
PROVIDERS = st.builds(
    Provider,
    name=NAMES,
    dialect=st.sampled_from(Dialect),
    base_url=st.sampled_from(["", "https://a.example", "http://[::1]:8080/v1/x%20y"]),
    engine=st.none() | st.sampled_from(Engine),
    api_key=st.just("") | st.from_regex(r"env:[A-Z_]{1,9}", fullmatch=True) | st.builds("file:{}".format, WORDS),
)
DEPLOYMENTS = st.builds(
    Deployment,
    name=NAMES,
    provider=NAMES,
    upstream_model=WORDS,
    pool=st.sampled_from(["shared", "enterprise"]) | st.builds("dedicated:{}".format, WORDS),
    seats=st.integers(1, 100_000),
    rpm=COUNTS,
    itpm=COUNTS,
    otpm=COUNTS,
    own=st.booleans(),
    lend=st.booleans(),
)
MODELS = st.builds(
    Model,
    name=NAMES,
    kind=st.sampled_from(Kind),
    context_length=st.integers(1, 10**9),
    max_output=st.integers(0, 10**9),
    deployments=st.lists(NAMES, max_size=3, unique=True).map(tuple),
    vendor=LINES,
    label=LINES,
    description=LINES,
    created=st.integers(0, 10**11),
)
PRICES = st.builds(
    Price,
    model=NAMES,
    tier=st.sampled_from(Tier),
    meter=st.sampled_from(METERS),
    amount=st.none() | st.integers(0, PRICE_MAX),
    effective_from=st.none() | st.integers(0, 253_000_000_000_000_000),
)


def _name(entry: Provider | Deployment | Model) -> str:
    return entry.name


def _cell(price: Price) -> tuple[str, Tier, str, int | None]:
    return price.model, price.tier, price.meter, price.effective_from


CATALOGUES = st.builds(
    CatalogFile,
    providers=st.lists(PROVIDERS, max_size=3, unique_by=_name).map(tuple),
    deployments=st.lists(DEPLOYMENTS, max_size=3, unique_by=_name).map(tuple),
    models=st.lists(MODELS, max_size=3, unique_by=_name).map(tuple),
    prices=st.lists(PRICES, max_size=8, unique_by=_cell).map(tuple),
)


@given(CATALOGUES)
def test_reading_what_was_written_gives_the_catalogue_back(file: CatalogFile) -> None:
    assert parse(to_toml(file)) == canonical(file)


@given(CATALOGUES, st.randoms())
def test_the_order_of_entries_changes_no_byte(file: CatalogFile, order) -> None:
    def shuffled(entries: tuple) -> tuple:
        return tuple(order.sample(entries, len(entries)))

    other = CatalogFile(
        providers=shuffled(file.providers),
        deployments=shuffled(file.deployments),
        models=shuffled(file.models),
        prices=shuffled(file.prices),
    )
    assert to_toml(other) == to_toml(file)
