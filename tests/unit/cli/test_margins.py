import pytest

PERIOD = ("--from", "2026-11-25", "--to", "2026-11-26")


@pytest.fixture
def costed(puyun, call: str, tmp_path) -> None:
    path = tmp_path / "costs.toml"
    path.write_text('[[costs]]\ndeployment = "m@p"\ninput = "1.00"\noutput = "5.00"\nfrom = 2001-01-01T00:00:00Z\n')
    assert puyun("catalog", "apply", str(path)).out.splitlines() == [
        "+ cost m@p input 1.00",
        "+ cost m@p output 5.00",
    ]


def test_margins_as_json_csv_and_table(puyun, costed) -> None:
    """The costs begin with their applying, before which the call was."""
    found = puyun("margin", *PERIOD, "--json").json
    assert [(row["label"], row["charge"]) for row in found["rows"]] == [("m", "0.0087625")]
    assert found["total"]["from_bonus"] == "0.001"
    assert puyun("margin", *PERIOD, "--by", "tier", "--csv").out.splitlines()[1].startswith("flex,1,0.0087625,")
    assert puyun("margin", *PERIOD).out.splitlines()[-1].split()[0] == "total"


def test_costs_are_exported_with_the_catalogue(puyun, costed) -> None:
    assert '[[costs]]\ndeployment = "m@p"\ninput = "1.00"\noutput = "5.00"\n' in puyun("catalog", "export").out


def test_refusals(puyun, costed) -> None:
    assert puyun("margin", "--by", "weather").code == 2
    assert puyun("margin", "--from", "soon").code == 2
