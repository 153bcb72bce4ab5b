from pathlib import Path

import msgspec
import pytest

from puyun.config import Settings, SettingsError, Signup, keys, load
from puyun.kit.errors import PuyunError

DATA = Path("data")
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def from_toml(tmp_path: Path, text: str, env: dict[str, str] | None = None) -> Settings:
    path = tmp_path / "puyun.toml"
    path.write_text(text)
    return load(path, env or {}, {}, data=DATA)


def test_without_anything_the_defaults_hold() -> None:
    settings = load(None, {}, {}, data=DATA)
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8000)
    assert settings.limits.body_bytes == 20 * 2**20
    assert settings.upstream.allow_private is False
    assert settings.database_place == DATA / "puyun.db"


def test_option_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    path = tmp_path / "puyun.toml"
    path.write_text('[server]\nport = 1\nhost = "file"\n[brand]\nname = "Acme"\n')
    env = {"PUYUN_SERVER__PORT": "2", "PUYUN_SERVER__HOST": "env", "PUYUN_DATA": "elsewhere", "HOME": "/"}
    settings = load(path, env, {"server.port": 3}, data=DATA)
    assert (settings.server.port, settings.server.host, settings.brand.name) == (3, "env", "Acme")


def test_the_environment_is_read_as_the_type_of_the_setting() -> None:
    env = {"PUYUN_UPSTREAM__ALLOW_PRIVATE": "true", "PUYUN_UPSTREAM__IDLE_TIMEOUT": "1.5", "PUYUN_BRAND__NAME": "7"}
    settings = load(None, env, {}, data=DATA)
    assert settings.upstream.allow_private is True
    assert settings.upstream.idle_timeout == 1.5
    assert settings.brand.name == "7"


def test_what_a_sign_up_gets_is_read_from_its_texts() -> None:
    assert load(None, {}, {}, data=DATA).signup.open is False
    names = {"OPEN": "true", "TIERS": "enterprise, test", "LIMITS": "rpm=60,in_flight = 4", "CREDIT": "0.5"}
    signup = load(None, {f"PUYUN_SIGNUP__{name}": text for name, text in names.items()}, {}, data=DATA).signup
    assert signup.open is True
    assert signup.given_tiers == ("test", "enterprise")
    assert signup.given_limits == {"rpm": 60, "in_flight": 4}
    assert signup.given_credit == 500_000_000
    assert Signup().given_limits == {}


def test_a_database_may_lie_elsewhere(tmp_path: Path) -> None:
    settings = from_toml(tmp_path, '[database]\nurl = "sqlite:////var/lib/puyun.db"\n')
    assert settings.database_place == Path("/var/lib/puyun.db")


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[server]\nport = 99999", r"puyun.toml: server.port: 99999 is wrong; expected int <= 65535"),
        ('[server]\nport = "80"', "server.port: '80' is wrong; expected int, got str"),
        ("[server]\nport = true", "server.port: True is wrong; expected int, got bool"),
        ("[server]\nprot = 1", r"server.prot: there is no such setting; did you mean server.port\?"),
        ("[sever]\nport = 1", r"did you mean server.port\?"),
        ("[zzz]\nqqq = 1", "the sections are server, database"),
        ('[signup]\ntiers = "gold"', "signup.tiers: 'gold' is wrong; expected some of test, flex, enterprise"),
        ('[signup]\ntiers = " , "', "signup.tiers: 'nothing' is wrong"),
        ('[signup]\nlimits = "rps=3"', "signup.limits: 'rps=3' is wrong; expected such as rpm=60, of rpm, itpm"),
        ('[signup]\nlimits = "rpm"', "signup.limits: 'rpm' is wrong"),
        ('[signup]\nlimits = "rpm=-1"', "signup.limits: 'rpm=-1' is wrong"),
        ('[signup]\nlimits = "rpm=9999999999999"', "signup.limits: 'rpm=9999999999999' is wrong"),
        ('[signup]\ncredit = "much"', "signup.credit: 'much' is not an amount such as 5.00"),
        ('[signup]\ncredit = "-1"', "signup.credit: -1 is wrong; expected an amount up to"),
        ('[signup]\ncredit = "200000000"', "signup.credit: 200000000 is wrong; expected an amount up to"),
        ("[signup]\nper_day = 0", "signup.per_day: 0 is wrong"),
        ("port = 1", r"port: 1 stands outside a section; did you mean server.port\?"),
        (
            '[database]\nurl = "mysql://u:secret@h/d"',
            "mysql is not supported; expected sqlite:///PATH or postgresql",
        ),
        ('[database]\nurl = "sqlite:///"', "the path is missing"),
        (
            '[upstream]\nproxy = "socks5://u:secret@h:1"',
            r"upstream.proxy: is wrong; expected http://\[USER:PASSWORD@\]HOST:PORT",
        ),
        ('[upstream]\nproxy = "http://h:99999"', "upstream.proxy: is wrong"),
        ("[upstream]\nidle_timeout = 0", "expected float > 0"),
        ('[server]\nhost = "a b"', "'a b' is no address or host name"),
        ('[brand]\ncurrency = "usd"', "brand.currency: 'usd' is wrong"),
        ('[seller]\nname = "Us"', "seller.name: needs `seller.address` beside it"),
        ("[seller]\ndue_days = 366", "seller.due_days: 366 is wrong"),
        ("[server", "puyun.toml cannot be read as settings"),
    ],
)
def test_a_wrong_setting_says_where_what_and_what_was_expected(tmp_path: Path, toml: str, says: str) -> None:
    with pytest.raises(PuyunError, match=says) as refused:
        from_toml(tmp_path, toml)
    assert "secret" not in refused.value.message


def test_a_wrong_environment_variable_is_named() -> None:
    with pytest.raises(SettingsError, match=r"environment variable PUYUN_SERVER__PORT: server\.port: 'x' is wrong"):
        load(None, {"PUYUN_SERVER__PORT": "x"}, {}, data=DATA)
    with pytest.raises(SettingsError, match=r"PUYUN_SERVRE__PORT: servre.port: .* did you mean server.port"):
        load(None, {"PUYUN_SERVRE__PORT": "1"}, {}, data=DATA)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PuyunError, match=r"nowhere\.toml cannot be read"):
        load(tmp_path / "nowhere.toml", {}, {}, data=DATA)


def test_every_setting_is_documented_with_its_default_and_no_other_is() -> None:
    rows = [line for line in REFERENCE.read_text("utf-8").splitlines() if line.startswith("| `")]
    expected = [
        f"| `{key}` | `{msgspec.json.encode(field.default).decode()}` | {described(field)} |"
        for key, field in keys().items()
    ]
    assert rows == expected, "docs/reference/settings.md is out of step; these rows are expected:\n" + "\n".join(
        expected
    )


def described(field: msgspec.inspect.Field) -> str:
    assert isinstance(field.type, msgspec.inspect.Metadata), f"{field.name} has no description"
    return field.type.extra_json_schema["description"]
