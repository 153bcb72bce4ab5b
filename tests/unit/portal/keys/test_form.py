"""What is typed becomes a key, or is refused field by field with nothing lost."""

import pytest

from puyun.catalog.model import Tier
from puyun.identity.model import Organization
from puyun.kit.clock import DAY, Instant, parse_instant
from puyun.kit.money import NANO
from puyun.portal.keys.form import IPS_MAX, MODELS_MAX, Fault, Filled, expiry, last_day, parse, read, usual

NOW = parse_instant("2026-03-15T12:30:00Z")
ORG = Organization(id=1, name="acme", tiers=(Tier.TEST, Tier.FLEX), created_at=NOW)
MODELS = {"m", "n"}


def parsed(**fields):
    filled = Filled(**({"tier": "flex"} | fields))
    return parse(filled, ORG, MODELS, NOW, member=7)


def test_a_post_is_read_into_fields():
    form = {
        "name": [" ci "],
        "tier": ["test", "flex"],
        "scope": ["chosen"],
        "model": ["m", "n", "m"],
        "ips": ["::1"],
        "budget": ["5"],
    }
    filled = read(form)
    assert filled == Filled(name="ci", tier="flex", limited=True, models=("m", "n"), ips="::1", budget="5")
    assert read({}) == Filled()


def test_everything_typed_well_makes_a_key():
    spec, faults = parsed(
        name="ci",
        limited=True,
        models=("n",),
        ips="10.0.0.0/8,\n ::1；10.0.0.0/8",
        budget="5.00",
        expires="2026-03-15",
    )
    assert faults == {}
    assert (spec.tier, spec.name, spec.models, spec.ips) == (Tier.FLEX, "ci", ("n",), ("10.0.0.0/8", "::1"))
    assert (spec.budget, spec.member) == (5 * NANO, 7)
    assert spec.expires_at == parse_instant("2026-03-16T00:00:00Z")


def test_what_is_left_empty_restricts_nothing():
    spec, faults = parsed(models=("m",))
    assert faults == {}
    assert (spec.name, spec.models, spec.ips, spec.budget, spec.expires_at) == ("", (), (), None, None)


@pytest.mark.parametrize(
    ("fields", "field", "fault"),
    [
        ({"name": "x" * 101}, "name", Fault("invalid_name")),
        ({"name": "a\x07"}, "name", Fault("invalid_name")),
        ({"tier": ""}, "tier", Fault("tier_not_allowed")),
        ({"tier": "gold"}, "tier", Fault("tier_not_allowed")),
        ({"tier": "enterprise"}, "tier", Fault("tier_not_allowed")),
        ({"limited": True}, "models", Fault("none_chosen")),
        ({"limited": True, "models": ("m", "zz")}, "models", Fault("model_not_found", "zz")),
        (
            {"limited": True, "models": tuple(f"m{number}" for number in range(MODELS_MAX + 1))},
            "models",
            Fault("too_many", str(MODELS_MAX)),
        ),
        ({"expires": "tomorrow"}, "expires", Fault("no_date")),
        ({"expires": "9999-12-31"}, "expires", Fault("no_date")),
        ({"expires": "0001-01-01"}, "expires", Fault("no_date")),
        ({"expires": "2026-03-14"}, "expires", Fault("invalid_expiry")),
        ({"ips": "10.0.0.0/8 10.0.0.1/8"}, "ips", Fault("invalid_ip_range", "10.0.0.1/8")),
        ({"ips": "everywhere"}, "ips", Fault("invalid_ip_range", "everywhere")),
        (
            {"ips": " ".join(f"10.0.0.{number}" for number in range(IPS_MAX + 1))},
            "ips",
            Fault("too_many", str(IPS_MAX)),
        ),
        ({"budget": "free"}, "budget", Fault("no_amount")),
        ({"budget": "1e3"}, "budget", Fault("no_amount")),
        ({"budget": "9" * 20}, "budget", Fault("no_amount")),
        ({"budget": "0"}, "budget", Fault("invalid_budget")),
        ({"budget": "-1"}, "budget", Fault("invalid_budget")),
    ],
)
def test_every_refusal_stands_at_its_field(fields, field, fault):
    assert parsed(**fields)[1] == {field: fault}


def test_all_fields_are_told_at_once():
    assert set(parsed(tier="", name="\x07", limited=True, expires="x", ips="x", budget="x")[1]) == {
        "tier",
        "name",
        "models",
        "expires",
        "ips",
        "budget",
    }


@pytest.mark.parametrize("day", ["2026-03-15", "2999-01-01", ""])
def test_the_last_day_of_an_expiry_is_the_day_that_was_typed(day):
    assert last_day(expiry(day, {})) == day


def test_an_expiry_within_a_day_is_shown_as_that_day():
    assert last_day(Instant(NOW + DAY)) == "2026-03-16"


@pytest.mark.parametrize(("tiers", "tier"), [((Tier.TEST, Tier.FLEX), "flex"), ((Tier.ENTERPRISE,), "enterprise")])
def test_the_usual_tier_is_flex_or_what_there_is(tiers, tier):
    organization = Organization(id=1, name="acme", tiers=tiers, created_at=NOW)
    assert usual(organization) == Filled(tier=tier)
