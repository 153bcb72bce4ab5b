import pytest

from puyun.catalog.model import Tier
from puyun.identity.model import KeySpec, Organization
from puyun.identity.rules import check_key, clean_email, clean_name, key_faults
from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError

NOW = Instant(1_000)
ORG = Organization(id=1, name="acme", tiers=(Tier.TEST, Tier.FLEX), created_at=NOW)


def test_names_and_addresses_are_tidied() -> None:
    assert clean_name("  Größe 普云 ") == "Größe 普云"
    assert clean_email(" Ada@Example.COM ") == "ada@example.com"


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "x" * 101, "\x1b[31m"])
def test_bad_names(name: str) -> None:
    with pytest.raises(PuyunError, match="printable"):
        clean_name(name)


@pytest.mark.parametrize(
    "email", ["", "ada", "@example.com", "ada@", "ada@host", "a b@example.com", "a@" + "x" * 254 + ".de"]
)
def test_bad_addresses(email: str) -> None:
    with pytest.raises(PuyunError, match="not an e-mail address"):
        clean_email(email)


def test_a_good_key_passes() -> None:
    spec = KeySpec(
        tier=Tier.FLEX, name="ci", models=("m",), ips=("10.0.0.0/8", "::1"), budget=1, expires_at=Instant(2_000)
    )
    check_key(spec, ORG, {"m"}, NOW)


@pytest.mark.parametrize(
    ("spec", "code", "says"),
    [
        (KeySpec(tier=Tier.ENTERPRISE), "tier_not_allowed", "test, flex"),
        (KeySpec(tier=Tier.TEST, models=("n",)), "model_not_found", "'n'"),
        (KeySpec(tier=Tier.TEST, ips=("10.0.0.1/8",)), "invalid_ip_range", "host bits"),
        (KeySpec(tier=Tier.TEST, ips=("everywhere",)), "invalid_ip_range", "everywhere"),
        (KeySpec(tier=Tier.TEST, budget=0), "invalid_budget", "more than zero"),
        (KeySpec(tier=Tier.TEST, expires_at=NOW), "invalid_expiry", "expire"),
        (KeySpec(tier=Tier.TEST, name="a\x00"), "invalid_name", "printable"),
    ],
)
def test_a_key_that_could_never_serve_is_refused(spec: KeySpec, code: str, says: str) -> None:
    with pytest.raises(PuyunError, match=says) as refused:
        check_key(spec, ORG, {"m"}, NOW)
    assert refused.value.code == code


def test_everything_that_is_wrong_is_said_at_once_and_of_which_value() -> None:
    spec = KeySpec(tier=Tier.ENTERPRISE, models=("m", "n"), ips=("::1", "here"), budget=-1, expires_at=NOW, name="\n")
    found = [(error.param, error.details.get("value")) for error in key_faults(spec, ORG, {"m"}, NOW)]
    assert found == [
        ("tier", None),
        ("models", "n"),
        ("ips", "here"),
        ("budget", None),
        ("expires", None),
        ("name", None),
    ]
