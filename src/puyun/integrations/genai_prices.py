"""A starter catalogue out of the price data in the `genai-prices` wheel (MIT, US dollars, kept by its community).

Every price is a proposal: the vendor's price times a markup per tier, until a person reads the file and applies it.
Which models are in it is a rule over the data, never a list:

1. A vendor of SOURCES sells the model under an id of its own spelling, and the data does not call it deprecated.
2. It is paid by the token alone, tools of the vendor that a call has to ask for aside. A chat model has prices for
   input, output and cached input (one without the last is older than prompt caches or no chat model); an embedding
   model has one for input.
3. It is reached through chat completions or embeddings, as far as its name tells (ELSEWHERE).
4. Its context window is known: to the vendor's record, or to OpenRouter's of the same model.
5. It is one of the newest GENERATIONS of its family (names that differ in version and date alone), and not a dated
   snapshot of a model that is there without a date.

Where a vendor's price depends on the length of the prompt or on the time of day, the dearest one is taken: an offer has
one price, and must not be sold below cost. Announced changes of price are in the file, with their dates.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction
from math import ceil
from textwrap import shorten

import genai_prices
import msgspec
from genai_prices import types as genai
from genai_prices.data import providers as records

from puyun.catalog.export import to_toml
from puyun.catalog.model import TIERS, CatalogFile, Deployment, Dialect, Kind, Model, Price, Provider, Tier
from puyun.kit.clock import Instant, from_datetime, to_datetime
from puyun.kit.errors import PuyunError
from puyun.kit.money import MICRO

GENERATIONS = 2
MARKUP_MAX = 1000

METER_OF = {
    "input_mtok": "input",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "audio",
    "output_audio_mtok": "audio_output",
}
"""Our meters by the data's price keys."""

ASKED_FOR = {"web_searches_kcount", "storage_searches_kcount", "cache_audio_read_mtok"}
"""Costs that only a call meets which asks for them in ways the OpenAI dialect does not have."""

ELSEWHERE = re.compile(
    r"(^|-)(audio|realtime|live|tts|transcribe|voice|image|ocr|codex|(deep-)?research|search|multi-agent)(-|$)"
)
"""Words in the names of models that have another endpoint: speech, images, or the Responses API alone."""

_DATE = re.compile(r"-(20\d\d-\d\d-\d\d|20\d{6}|\d{4})$")
_SIZE = re.compile(r"a?\d+(\.\d+)?[bt]")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_FACTOR = re.compile(r"\d{1,4}(\.\d{1,6})?")


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor that sells to everybody. `record`: its id in the data; `ids`: how its API spells its own models."""

    name: str
    vendor: str
    record: str
    ids: str
    base_url: str
    api_key: str
    twin: str
    """What OpenRouter puts before the name of this vendor's models."""
    lower_case: bool = False
    """The API spells ids in lower case, whatever the data does."""
    note: str = ""


SOURCES = (
    Source(
        name="openai",
        vendor="OpenAI",
        record="openai",
        ids=r"(gpt-\d|o\d|text-embedding-).*",
        base_url="https://api.openai.com/v1",
        api_key="env:OPENAI_API_KEY",
        twin="openai/",
    ),
    Source(
        name="anthropic",
        vendor="Anthropic",
        record="anthropic",
        ids=r"claude-.*",
        base_url="https://api.anthropic.com/v1",
        api_key="env:ANTHROPIC_API_KEY",
        twin="anthropic/",
        note="Anthropic's endpoint in the OpenAI dialect.",
    ),
    Source(
        name="google",
        vendor="Google",
        record="google",
        ids=r"gemini-\d.*",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        api_key="env:GEMINI_API_KEY",
        twin="google/",
        note="Google's endpoint in the OpenAI dialect.",
    ),
    Source(
        name="deepseek",
        vendor="DeepSeek",
        record="deepseek",
        ids=r"deepseek-(v\d+-)?[a-z]+",
        base_url="https://api.deepseek.com/v1",
        api_key="env:DEEPSEEK_API_KEY",
        twin="deepseek/",
    ),
    Source(
        name="openrouter",
        vendor="Qwen",
        record="openrouter",
        ids=r"qwen/[^:]+",
        base_url="https://openrouter.ai/api/v1",
        api_key="env:OPENROUTER_API_KEY",
        twin="qwen/",
        note="Sells the Qwen models here: the price data has no list of Alibaba's own.",
    ),
    Source(
        name="mistral",
        vendor="Mistral",
        record="mistral",
        ids=r"(mistral|ministral|codestral|devstral|magistral|pixtral)-.*",
        base_url="https://api.mistral.ai/v1",
        api_key="env:MISTRAL_API_KEY",
        twin="mistralai/",
    ),
    Source(
        name="xai",
        vendor="xAI",
        record="x-ai",
        ids=r"grok-.*",
        base_url="https://api.x.ai/v1",
        api_key="env:XAI_API_KEY",
        twin="x-ai/",
    ),
    Source(
        name="zai",
        vendor="Zhipu",
        record="zai",
        ids=r"GLM-\d.*",
        base_url="https://api.z.ai/api/paas/v4",
        api_key="env:ZAI_API_KEY",
        twin="z-ai/",
        lower_case=True,
    ),
    Source(
        name="moonshot",
        vendor="Moonshot",
        record="moonshotai",
        ids=r"kimi-.*",
        base_url="https://api.moonshot.ai/v1",
        api_key="env:MOONSHOT_API_KEY",
        twin="moonshotai/",
    ),
    Source(
        name="minimax",
        vendor="MiniMax",
        record="minimax",
        ids=r"MiniMax-M\d.*",
        base_url="https://api.minimax.io/v1",
        api_key="env:MINIMAX_API_KEY",
        twin="minimax/",
    ),
)

RECORDS = {record.id: record for record in records}
_OPENROUTER = {model.id: model for model in RECORDS["openrouter"].models}


class _Pick(msgspec.Struct, frozen=True):
    """A model of the data that passed the rules."""

    source: Source
    info: genai.ModelInfo
    name: str
    kind: Kind
    context_length: int


def parse_markup(text: str) -> dict[Tier, Fraction]:
    """`"test=0.9,flex=1.0"` -> exact factors by tier. Raises PuyunError `invalid_markup` (400)."""
    markup: dict[Tier, Fraction] = {}
    for part in text.split(","):
        tier, _, factor = (word.strip() for word in part.partition("="))
        if tier not in TIERS or tier in markup or not _FACTOR.fullmatch(factor):
            raise _markup_error(part.strip())
        markup[Tier(tier)] = Fraction(factor)
        if not 0 < markup[Tier(tier)] <= MARKUP_MAX:
            raise _markup_error(part.strip())
    return markup


def starter(markup: Mapping[Tier, Fraction], now: Instant) -> CatalogFile:
    """The catalogue of today's mainstream models; a price is `cost * markup`, rounded up to 6 decimals."""
    picks = list(_picks(to_datetime(now)))
    return CatalogFile(
        providers=tuple(
            Provider(name=source.name, dialect=Dialect.OPENAI, base_url=source.base_url, api_key=source.api_key)
            for source in SOURCES
        ),
        deployments=tuple(_deployment(pick) for pick in picks),
        models=tuple(_model(pick) for pick in picks),
        prices=tuple(price for pick in picks for price in _prices(pick, markup, now)),
    )


def starter_toml(markup_text: str, now: Instant) -> str:
    """`starter` as a catalogue file, with its origin and, per model, why its price is what it is, in comments.

    Raises PuyunError `invalid_markup` (400). `now` decides which announced prices have begun.
    """
    file = starter(parse_markup(markup_text), now)
    notes = {f"providers.{source.name}": source.note for source in SOURCES}
    for pick in _picks(to_datetime(now)):
        notes[f"models.{pick.name}"] = _why(pick.info, to_datetime(now))
    return f"{_preface(markup_text)}\n{to_toml(file, notes)}"


def _preface(markup_text: str) -> str:
    return (
        f"# Proposed prices: what the vendors ask, times {markup_text}.\n"
        f"# US dollars per million tokens, from genai-prices {genai_prices.__version__}, which a community keeps.\n"
        "# Compare them with the vendors' own lists, strike what you do not sell, then `puyun catalog apply`.\n"
    )


def _picks(now: datetime) -> Iterator[_Pick]:
    """Rules 1 to 5, source by source."""
    for source in SOURCES:
        families: defaultdict[str, list[tuple[tuple[Decimal, ...], int, _Pick]]] = defaultdict(list)
        for info in RECORDS[source.record].models:
            pick = _pick(source, info, now)
            if pick is not None:
                family, version, day = _generation(pick.name)
                families[family].append((version, day, pick))
        for members in families.values():
            undated = {version for version, day, _ in members if not day}
            newest = sorted(members, key=lambda member: member[:2], reverse=True)
            models = [pick for version, day, pick in newest if not day or version not in undated]
            yield from models[:GENERATIONS]


def _pick(source: Source, info: genai.ModelInfo, now: datetime) -> _Pick | None:
    """Rules 1 to 4."""
    kind = Kind.EMBEDDING if "embed" in info.id else Kind.CHAT
    if not re.fullmatch(source.ids, info.id) or info.deprecated or ELSEWHERE.search(info.id):
        return None
    keys = {key for prices in _reachable(info, now) for key, value in vars(prices).items() if value is not None}
    needed = {"input_mtok"} if kind is Kind.EMBEDDING else {"input_mtok", "output_mtok", "cache_read_mtok"}
    if not needed <= keys or keys - METER_OF.keys() - ASKED_FOR:
        return None
    name = info.id.rpartition("/")[2].lower()
    twin = _OPENROUTER.get(source.twin + name)
    context_length = info.context_window or (twin and twin.context_window)
    return _Pick(source, info, name, kind, context_length) if context_length else None


def _generation(name: str) -> tuple[str, tuple[Decimal, ...], int]:
    """`claude-3-5-haiku-latest` -> (`claude-haiku`, (3, 5), 0): what a newer one shares, and what tells it is newer."""
    dated = _DATE.search(name)
    stem = name[: dated.start()] if dated else name
    day = int(dated[1].replace("-", "")) if dated else 0
    words = stem.removesuffix("-latest").removesuffix("-preview").split("-")
    version = tuple(Decimal(number) for word in words if not _SIZE.fullmatch(word) for number in _NUMBER.findall(word))
    rest = (word if _SIZE.fullmatch(word) else _NUMBER.sub("", word) for word in words)
    return "-".join(word for word in rest if word), version, day


def _reachable(info: genai.ModelInfo, at: datetime) -> list[genai.ModelPrice]:
    """Every price list a call of that day can meet: those of a time of day, and the newest that has begun."""
    if isinstance(info.prices, genai.ModelPrice):
        return [info.prices]
    found: list[genai.ModelPrice] = []
    for conditional in reversed(info.prices):
        if isinstance(conditional.constraint, genai.TimeOfDateConstraint):
            found.append(conditional.prices)
        elif conditional.constraint is None or conditional.constraint.active(at):
            return [*found, conditional.prices]
    return [*found, info.prices[0].prices]


def amounts(info: genai.ModelInfo, at: datetime) -> dict[str, list[Decimal]]:
    """Dollars per million tokens by meter: every amount that a call of that day can meet."""
    amounts: defaultdict[str, list[Decimal]] = defaultdict(list)
    for prices in _reachable(info, at):
        for key, meter in METER_OF.items():
            value: Decimal | genai.TieredPrices | None = getattr(prices, key, None)
            if isinstance(value, genai.TieredPrices):
                amounts[meter] += [value.base, *(tier.price for tier in value.tiers)]
            elif value is not None:
                amounts[meter].append(value)
    return dict(amounts)


def _changes(info: genai.ModelInfo, now: datetime) -> list[date]:
    """The days on which announced prices begin."""
    if isinstance(info.prices, genai.ModelPrice):
        return []
    starts = {
        each.constraint.start_date for each in info.prices if isinstance(each.constraint, genai.StartDateConstraint)
    }
    return sorted(start for start in starts if start > now.date())


def _prices(pick: _Pick, markup: Mapping[Tier, Fraction], now: Instant) -> Iterator[Price]:
    """From now on, and again from each announced change; a meter that a change drops is withdrawn with it."""
    moments: list[tuple[Instant | None, datetime]] = [(None, to_datetime(now))]
    for day in _changes(pick.info, to_datetime(now)):
        begins = datetime.combine(day, time(), UTC)
        moments.append((from_datetime(begins), begins))
    dollars: dict[str, Decimal | None] = {}
    for effective_from, moment in moments:
        dearest = {meter: max(amounts) for meter, amounts in amounts(pick.info, moment).items()}
        dollars = {**dict.fromkeys(dollars), **dearest}
        for tier, factor in markup.items():
            for meter, cost in dollars.items():
                if meter == "input" or pick.kind is Kind.CHAT:
                    amount = None if cost is None else ceil(Fraction(cost) * factor * MICRO)
                    yield Price(model=pick.name, tier=tier, meter=meter, amount=amount, effective_from=effective_from)


def _deployment(pick: _Pick) -> Deployment:
    upstream = pick.info.id.lower() if pick.source.lower_case else pick.info.id
    return Deployment(name=f"{pick.name}@{pick.source.name}", provider=pick.source.name, upstream_model=upstream)


def _model(pick: _Pick) -> Model:
    return Model(
        name=pick.name,
        kind=pick.kind,
        context_length=pick.context_length,
        deployments=(f"{pick.name}@{pick.source.name}",),
        vendor=pick.source.vendor,
        description=shorten(pick.info.description or "", 200, placeholder=" …"),
    )


def _why(info: genai.ModelInfo, now: datetime) -> str:
    """Nothing for a plain price; else what the dearest one was chosen from."""
    spread = [
        f"{meter} {min(dollars)} to {max(dollars)}"
        for meter, dollars in amounts(info, now).items()
        if min(dollars) != max(dollars)
    ]
    if not spread:
        return ""
    by_clock = len(_reachable(info, now)) > 1
    reason = "the time of day" if by_clock else "the length of the prompt"
    return f"The vendor's price depends on {reason}; the dearest is taken: {', '.join(spread)}."


def _markup_error(part: str) -> PuyunError:
    message = (
        f"{part!r} is not a markup. Give each tier once, with a factor above 0 and up to {MARKUP_MAX}, "
        "such as test=0.9,flex=1.0,enterprise=1.15."
    )
    return PuyunError("invalid_markup", 400, message, param="markup")
