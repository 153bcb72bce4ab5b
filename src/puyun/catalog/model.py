"""The catalogue's nouns, as the file of DESIGN 4.3 and the database both spell them."""

from enum import StrEnum

import msgspec


class Tier(StrEnum):
    TEST = "test"
    FLEX = "flex"
    ENTERPRISE = "enterprise"


TIERS = tuple(Tier)

PREFERRED = (Tier.FLEX, Tier.TEST, Tier.ENTERPRISE)
"""Where one is chosen for somebody: the one for daily use first."""


class Kind(StrEnum):
    CHAT = "chat"
    EMBEDDING = "embedding"
    IMAGE = "image"
    AUDIO = "audio"
    RERANK = "rerank"
    MODERATION = "moderation"


METERS = (
    "input",
    "cached_input",
    "cache_write",
    "cache_write_1h",
    "output",
    "reasoning",
    "audio",
    "image_input",
    "audio_output",
    "image",
)
"""Every meter a price may be set for. `image_input` prices tokens of images sent in, `image` images that were made."""


class Dialect(StrEnum):
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    ECHO = "echo"


class Engine(StrEnum):
    """Servers that say how full they are. A provider that is one is the operator's own."""

    VLLM = "vllm"
    SGLANG = "sglang"
    LLAMACPP = "llamacpp"


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor's address and dialect. `api_key` is `env:NAME` or `file:PATH`, never the secret itself.

    `engine`: what the operator runs there himself, so that it can be asked how full it is; None for a vendor's service.
    """

    name: str
    dialect: Dialect
    base_url: str = ""
    api_key: str = ""
    engine: Engine | None = None


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """One model at one provider. `seats`: concurrent calls; rpm, itpm, otpm: per minute, None when unbounded.

    `own`: an engine of ours, where breaking a call off costs nothing, as all are whose provider has an `engine`; `lend`: its idle seats, if they are set apart for
    Enterprise, serve the Test tier until they are wanted back.
    """

    name: str
    provider: str
    upstream_model: str
    pool: str = "shared"
    seats: int = 64
    rpm: int | None = None
    itpm: int | None = None
    otpm: int | None = None
    own: bool = False
    lend: bool = False


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A public name that is sold. `label` is a short notice shown wherever the model is (such as "demonstration")."""

    name: str
    kind: Kind
    context_length: int
    max_output: int = 0
    deployments: tuple[str, ...] = ()
    vendor: str = ""
    label: str = ""
    description: str = ""
    created: int = 0
    """Seconds since the epoch, for `created` in the model list."""


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """One cell of the price book as a file or a person states it: `amount` in micro-units per million tokens."""

    model: str
    tier: Tier
    meter: str
    amount: int | None
    """None withdraws the price from `effective_from` on."""
    effective_from: int | None = None
    """An Instant; None means now."""


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider asks the operator for one meter of a deployment: micro-units per million tokens, None: unknown."""

    deployment: str
    meter: str
    amount: int | None
    effective_from: int | None = None


class CatalogFile(msgspec.Struct, frozen=True, kw_only=True):
    """A whole catalogue file, parsed and free of contradictions."""

    providers: tuple[Provider, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    models: tuple[Model, ...] = ()
    prices: tuple[Price, ...] = ()
    costs: tuple[Cost, ...] = ()
