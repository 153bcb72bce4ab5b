"""Settings: what an operator may change, from `puyun.toml`, the environment and the command line, later ones first.

Nothing is read at import. A wrong setting stops the start with where it stands, its name, its value and what was
expected; a setting nobody knows is refused with the nearest name.
"""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, cast

import msgspec
from msgspec import Meta

from puyun.catalog.model import Tier
from puyun.config.addresses import is_host, is_network, is_proxy, names_database
from puyun.config.oidc import Issuer, IssuerError, read_issuers
from puyun.kit.errors import Blame, PuyunError
from puyun.kit.money import TOPUP_MAX, format_amount, parse_amount
from puyun.limits.rule import AMOUNT_MAX, Metric
from puyun.pricing.papers.parties import Seller

ENV_PREFIX = "PUYUN_"

SQLITE = "sqlite:///"
POSTGRESQL = "postgresql://"

Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class Server(msgspec.Struct, frozen=True, kw_only=True):
    host: Annotated[str, Meta(min_length=1, description="address to listen on; 0.0.0.0 for every network")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=0, le=65_535, description="port to listen on; 0 takes a free one")] = 8000
    workers: Annotated[
        int, Meta(ge=1, le=64, description="processes that serve; one for each core, and 1 leaves out their arbiter")
    ] = 1
    shutdown_seconds: Annotated[Seconds, Meta(description="how long running calls may go on after a stop signal")] = 30
    write_stall_seconds: Annotated[
        Seconds, Meta(description="how long a client may take nothing of what is sent to it; then it counts as gone")
    ] = 120
    queued_comment_seconds: Annotated[
        Seconds,
        Meta(description="after how long a stream that waits for a seat is told so; then every one and a half times"),
    ] = 10
    trusted_proxies: Annotated[
        str, Meta(description="networks whose `X-Forwarded-For` is believed, separated by commas; empty for none")
    ] = ""


class Database(msgspec.Struct, frozen=True, kw_only=True):
    url: Annotated[
        str,
        Meta(
            description="`sqlite:///PATH`, or `postgresql://USER:PASSWORD@HOST/NAME` for several machines; empty for "
            "`puyun.db` in the data directory"
        ),
    ] = ""


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    allow_private: Annotated[
        bool, Meta(description="let providers lie at loopback and private addresses; the embedded model needs no leave")
    ] = False
    connect_timeout: Annotated[Seconds, Meta(description="seconds to reach a provider, TLS included")] = 5
    first_byte_timeout: Annotated[Seconds, Meta(description="seconds until the first byte of a provider's answer")] = (
        120
    )
    idle_timeout: Annotated[Seconds, Meta(description="longest silence, in seconds, inside a provider's answer")] = 60
    proxy: Annotated[
        str, Meta(description="`http://[USER:PASSWORD@]HOST:PORT` of a proxy for calls to providers; empty for none")
    ] = ""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    body_bytes: Annotated[
        int, Meta(ge=1024, le=1 << 30, description="largest request body; beyond it a call is refused with 413")
    ] = 20 * 1024 * 1024


class Brand(msgspec.Struct, frozen=True, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=60, description="what the pages call this service")] = "Puyun AI"
    currency: Annotated[
        str, Meta(pattern="^[A-Z]{3}$", description="ISO 4217 code of all prices and of new wallets")
    ] = "USD"
    top_up: Annotated[
        str,
        Meta(
            max_length=500,
            description="how an organization pays in, a sentence or two for its page Billing; empty: ask the operator",
        ),
    ] = ""
    top_up_url: Annotated[
        str,
        Meta(pattern="^(https?://[^ ]+)?$", description="where it pays in, as a button beside it; empty for none"),
    ] = ""


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    notice_days: Annotated[
        int, Meta(ge=0, le=365, description="days between announcing a dearer price and its start; 0 asks for none")
    ] = 0


class Money(msgspec.Struct, frozen=True, kw_only=True):
    second_person_above: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000_000,
            description="what an operator gives or takes by hand above so many whole units needs `--approved-by`: "
            "adjustments, bonus, SLA credits, codes; 0 asks for none",
        ),
    ] = 0


class Signup(msgspec.Struct, frozen=True, kw_only=True):
    """Whether strangers may become customers by themselves, and with what. The properties raise ValueError."""

    open: Annotated[
        bool, Meta(description="let anybody sign up at `/signup`; closed, the operator creates organizations and users")
    ] = False
    tiers: Annotated[str, Meta(description="tiers of an organization that signed up, separated by commas")] = (
        "test,flex"
    )
    limits: Annotated[
        str,
        Meta(
            description="limits of its own over all models together, such as `rpm=60, tpd=200000`; each takes the place of "
            "its tiers' limit of that name; empty for none"
        ),
    ] = ""
    credit: Annotated[
        str, Meta(description="bonus it begins with, such as `1.00`, in `brand.currency`; 0 for none")
    ] = "0"
    credit_days: Annotated[
        int, Meta(ge=0, le=3_650, description="days after which what is left of that bonus ends; 0 for never")
    ] = 30
    per_day: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="new organizations within 24 hours, the operator's among them, after which sign-up waits",
        ),
    ] = 100

    verify: Annotated[
        bool,
        Meta(
            description="with `mail.host`: who signed up makes no keys, and gets no bonus, before following a link that is "
            "mailed to them"
        ),
    ] = True

    @property
    def given_tiers(self) -> tuple[Tier, ...]:
        """At least one."""
        named = listed(self.tiers)
        unknown = [name for name in named if name not in set(Tier)]
        if unknown or not named:
            raise ValueError(f"{', '.join(unknown) or 'nothing'!r} is wrong; expected some of {', '.join(Tier)}")
        return tuple(tier for tier in Tier if tier in named)

    @property
    def given_limits(self) -> dict[Metric, int]:
        found: dict[Metric, int] = {}
        for part in listed(self.limits):
            name, _, amount = (word.strip() for word in part.partition("="))
            if name not in set(Metric) or not amount.isdecimal() or int(amount) > AMOUNT_MAX:
                raise ValueError(f"{part!r} is wrong; expected such as rpm=60, of {', '.join(Metric)}")
            found[Metric(name)] = int(amount)
        return found

    @property
    def given_credit(self) -> int:
        """In nano-units."""
        amount = parse_amount(self.credit)
        if not 0 <= amount <= TOPUP_MAX:
            raise ValueError(f"{self.credit} is wrong; expected an amount up to {format_amount(TOPUP_MAX)}")
        return amount


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """The server that takes letters. Without a host none go out, and the pages show links instead."""

    host: Annotated[str, Meta(description="SMTP server that takes letters; empty: none go out")] = ""
    port: Annotated[int, Meta(ge=1, le=65_535, description="its port")] = 587
    user: Annotated[str, Meta(description="user to sign in to it as; empty for none")] = ""
    password: Annotated[str, Meta(description="password of that user")] = ""
    sender: Annotated[str, Meta(max_length=254, description="address that letters come from")] = ""
    operator: Annotated[
        str, Meta(max_length=254, description="address that is told what organizations ask for; empty: nobody's")
    ] = ""
    tls: Annotated[
        Literal["starttls", "tls", "none"], Meta(description="`starttls`, `tls` from the first byte, or `none`")
    ] = "starttls"
    links: Annotated[
        str,
        Meta(
            pattern="^(https?://[^ /]+)?$",
            description="how links in letters begin, such as `https://ai.example.com`; needed with a host",
        ),
    ] = ""


class Webhooks(msgspec.Struct, frozen=True, kw_only=True):
    allow_private: Annotated[bool, Meta(description="let webhooks go to private addresses, and by plain http")] = False


class LocalModel(msgspec.Struct, frozen=True, kw_only=True):
    path: Annotated[
        str, Meta(description="GGUF file of the embedded demonstration model; empty for the packaged one")
    ] = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything `wiring` needs to build the process. `data` is the data directory; it is not a key of the file."""

    data: Path
    server: Server = Server()
    database: Database = Database()
    upstream: Upstream = Upstream()
    limits: Limits = Limits()
    brand: Brand = Brand()
    prices: Prices = Prices()
    money: Money = Money()
    signup: Signup = Signup()
    mail: Mail = Mail()
    seller: Seller = Seller()
    webhooks: Webhooks = Webhooks()
    local_model: LocalModel = LocalModel()
    oidc: tuple[Issuer, ...] = ()

    @property
    def database_place(self) -> Path | str:
        """The SQLite file, or the URL of a PostgreSQL database."""
        url = self.database.url
        if url.startswith(POSTGRESQL):
            return url
        return Path(url.removeprefix(SQLITE)) if url else self.data / "puyun.db"


SECTIONS: dict[str, type[msgspec.Struct]] = {
    "server": Server,
    "database": Database,
    "upstream": Upstream,
    "limits": Limits,
    "brand": Brand,
    "prices": Prices,
    "money": Money,
    "signup": Signup,
    "mail": Mail,
    "seller": Seller,
    "webhooks": Webhooks,
    "local_model": LocalModel,
}


class SettingsError(PuyunError):
    """A setting that stops the start. `where` is the file, the environment variable or the option it came from."""

    def __init__(self, where: str, key: str, problem: str) -> None:
        super().__init__("invalid_setting", 500, f"{where}: {key}: {problem}", blame=Blame.OPERATOR, param=key)


class Found(msgspec.Struct, frozen=True):
    """A value and where it was found. Only text from the environment or an option is read as its setting's type."""

    value: object
    where: str
    text: bool


def load(toml_path: Path | None, env: Mapping[str, str], overrides: Mapping[str, object], *, data: Path) -> Settings:
    """Settings from the file, changed by `PUYUN_SECTION__NAME`, changed by options (`{"server.port": 9000}`).

    Raises SettingsError, or PuyunError `settings_unreadable` when the file is missing or no TOML.
    """
    found: dict[str, Found] = {}
    issuers: tuple[Issuer, ...] = ()
    if toml_path is not None:
        table = _read(toml_path)
        issuers = _issuers(table.pop("oidc", []), toml_path)
        found |= {key: Found(value, str(toml_path), text=False) for key, value in _flat(table, toml_path)}
    for name, value in sorted(env.items()):
        if name.startswith(ENV_PREFIX) and "__" in name:
            key = name.removeprefix(ENV_PREFIX).lower().replace("__", ".", 1)
            found[key] = Found(value, f"environment variable {name}", text=True)
    found |= {key: Found(value, "command line", text=isinstance(value, str)) for key, value in overrides.items()}
    sections: dict[str, dict[str, object]] = {section: {} for section in SECTIONS}
    for key, setting in found.items():
        section, _, name = key.partition(".")
        value = _parse(key, setting)
        sections[section][name] = value
    built = {section: SECTIONS[section](**values) for section, values in sections.items()}
    settings = msgspec.structs.replace(Settings(data=data, oidc=issuers), **built)
    _check(settings, found)
    for number, issuer in enumerate(issuers, 1):
        if not issuer.tls and not settings.upstream.allow_private:
            problem = "expected https; `upstream.allow_private` lets issuers be spoken to without TLS"
            raise SettingsError(str(toml_path), f"oidc[{number}].issuer", problem)
    return settings


def keys() -> dict[str, msgspec.inspect.Field]:
    """Every setting as `section.name`, with its type, default and description."""
    found: dict[str, msgspec.inspect.Field] = {}
    for section, struct in SECTIONS.items():
        described = msgspec.inspect.type_info(struct)
        assert isinstance(described, msgspec.inspect.StructType)
        found |= {f"{section}.{field.name}": field for field in described.fields}
    return found


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        message = f"{path} cannot be read as settings: {error}"
        raise PuyunError("settings_unreadable", 500, message, blame=Blame.OPERATOR) from error


def _issuers(values: object, path: Path) -> tuple[Issuer, ...]:
    try:
        return read_issuers(values)
    except IssuerError as error:
        raise SettingsError(str(path), error.key, str(error)) from error


def _flat(table: dict[str, object], path: Path) -> Iterator[tuple[str, object]]:
    for section, values in table.items():
        if not isinstance(values, dict):
            raise SettingsError(str(path), section, f"{values!r} stands outside a section; {_nearest(section)}")
        for name, value in cast("dict[str, object]", values).items():
            yield f"{section}.{name}", value


def _parse(key: str, setting: Found) -> object:
    field = keys().get(key)
    if field is None:
        raise SettingsError(setting.where, key, f"there is no such setting; {_nearest(key)}")
    section, _, name = key.partition(".")
    annotation = SECTIONS[section].__annotations__[name]
    try:
        return msgspec.convert(setting.value, annotation, strict=not setting.text)
    except msgspec.ValidationError as error:
        expected = str(error).removeprefix("Expected ").replace("`", "")
        raise SettingsError(setting.where, key, f"{setting.value!r} is wrong; expected {expected}") from error


def _nearest(key: str) -> str:
    names = list(keys())
    near = [name for name in names if name.endswith("." + key)] or difflib.get_close_matches(key, names, 1, 0.5)
    return f"did you mean {near[0]}?" if near else f"the sections are {', '.join(SECTIONS)}"


def _check(settings: Settings, found: Mapping[str, Found]) -> None:
    """What a type cannot say."""

    def refuse(key: str, problem: str) -> SettingsError:
        return SettingsError(found[key].where, key, problem)

    url = settings.database.url
    if url and not url.startswith((SQLITE, POSTGRESQL)):
        kind = url.partition(":")[0]
        raise refuse("database.url", f"{kind} is not supported; expected sqlite:///PATH or postgresql://…")
    if url == SQLITE:
        raise refuse("database.url", "the path is missing; expected sqlite:///PATH")
    if url.startswith(POSTGRESQL) and not names_database(url):
        raise refuse("database.url", "is wrong; expected postgresql://USER:PASSWORD@HOST:PORT/NAME")
    proxy = settings.upstream.proxy
    if proxy and not is_proxy(proxy):
        raise refuse("upstream.proxy", "is wrong; expected http://[USER:PASSWORD@]HOST:PORT")
    for network in listed(settings.server.trusted_proxies):
        if not is_network(network):
            raise refuse("server.trusted_proxies", f"{network!r} is no network; expected such as 10.0.0.0/8")
    host = settings.server.host
    if not is_host(host):
        raise refuse("server.host", f"{host!r} is no address or host name")
    if settings.mail.host and not (settings.mail.sender and settings.mail.links):
        raise refuse("mail.host", "needs `mail.sender` and `mail.links` beside it")
    if settings.seller.name and not settings.seller.issues:
        raise refuse("seller.name", "needs `seller.address` beside it")
    for name in ("tiers", "limits", "credit"):
        try:
            getattr(settings.signup, f"given_{name}")
        except ValueError as error:
            raise refuse(f"signup.{name}", str(error)) from error


def listed(text: str) -> list[str]:
    """The parts of a comma-separated setting."""
    return [part.strip() for part in text.split(",") if part.strip()]
