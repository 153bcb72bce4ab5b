"""The demonstration's catalogue, read by the catalogue's own reader."""

from pathlib import Path

import pytest

from puyun.catalog import validate
from puyun.catalog.file import parse
from puyun.catalog.model import TIERS, Dialect, Kind
from puyun.kit.clock import Instant
from puyun.localmodel.availability import Available, Unavailable
from puyun.localmodel.offer import ECHO_MODEL, PROVIDER, catalog

FOUND = [Available(Path("/x/packaged.gguf")), Available(Path("/x/own.gguf"), "local/own"), Unavailable("no wheel")]


@pytest.mark.parametrize("found", FOUND)
def test_it_is_a_catalogue_without_fault_that_sells_every_model_in_every_tier(found):
    read = parse(catalog(found))
    assert not validate.check(read, None, Instant(0))
    for model in read.models:
        meters = ["input"] if model.kind is Kind.EMBEDDING else ["input", "output"]
        for tier in TIERS:
            prices = [price for price in read.prices if (price.model, price.tier) == (model.name, tier)]
            assert [price.meter for price in prices] == meters
            assert all(price.amount for price in prices)
        assert "demonstration" in model.label


def test_the_packaged_model_and_its_embeddings():
    read = parse(catalog(FOUND[0]))
    assert [(model.name, model.kind) for model in read.models] == [
        ("puyun/smollm2-135m", Kind.CHAT),
        ("puyun/smollm2-135m-embed", Kind.EMBEDDING),
    ]
    assert all("135 M parameters" in model.label for model in read.models)
    assert [(provider.name, provider.dialect) for provider in read.providers] == [(PROVIDER, Dialect.OPENAI)]
    assert (read.models[0].context_length, read.models[0].max_output) == (4096, 1024)


def test_an_operators_own_model_is_not_called_by_the_packaged_ones_name():
    text = catalog(FOUND[1])
    assert "smollm2" not in text
    assert "135 M" not in text
    assert parse(text).models[0].name == "local/own"


def test_the_echo_takes_its_place():
    read = parse(catalog(FOUND[2]))
    assert [model.name for model in read.models] == [ECHO_MODEL]
    assert read.providers[0].dialect is Dialect.ECHO
