import pytest

PLAN = ("pools", "plan", "--peak-rpm", "208.7", "--seconds", "4.6")

CATALOG = """
[[providers]]
name = "echo"
dialect = "echo"

[[deployments]]
name = "m@dedicated"
provider = "echo"
upstream_model = "m"
pool = "dedicated:acme"
seats = 30

[[deployments]]
name = "m@a"
provider = "echo"
upstream_model = "m"
seats = 40
rpm = 600

[[deployments]]
name = "other@a"
provider = "echo"
upstream_model = "other"
pool = "enterprise"
seats = 8

[[models]]
name = "m"
kind = "chat"
context_length = 1000
deployments = ["m@dedicated", "m@a"]

[[models]]
name = "other"
kind = "chat"
context_length = 1000
deployments = ["other@a"]
"""


@pytest.fixture
def pooled(puyun, tmp_path) -> None:
    path = tmp_path / "catalog.toml"
    path.write_text(CATALOG)
    assert puyun("catalog", "apply", str(path)).code == 0


def test_pools_are_listed_with_their_deployments(puyun, pooled: None) -> None:
    listed = puyun("pools")
    assert listed.out == puyun("pools", "list").out
    assert [line.split()[:2] for line in listed.out.splitlines()[1:]] == [
        ["shared", "m@a"],
        ["enterprise", "other@a"],
        ["dedicated:acme", "m@dedicated"],
    ]
    assert puyun("pools", "--json").json[0] == {
        "pool": "shared",
        "deployment": "m@a",
        "models": ["m"],
        "seats": 40,
        "rpm": 600,
        "itpm": None,
        "otpm": None,
    }


def test_a_pool_is_sized_from_a_contract(puyun) -> None:
    found = puyun(*PLAN, "--seats", "64", "--json")
    assert found.code == 0
    assert (found.json["seats"], found.json["shared_then"], found.json["sold"]) == (26, 38, True)
    assert found.json["wait_longer_ppm"] <= 10_000


def test_people_are_told_what_was_not_checked(puyun) -> None:
    assert "not checked: --flex-rpm is not given" in puyun(*PLAN, "--seats", "64").out


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--seats", "20"), "26 seats are needed and 20 are left of 20"),
        (("--seats", "64", "--flex-rpm", "300"), "Flex would wait without end for the 19 seats"),
        (("--seats", "64", "--flex-rpm", "100", "--flex-seconds", "30"), "Flex would wait without end"),
    ],
)
def test_what_is_not_there_is_not_sold(puyun, more: tuple[str, ...], says: str) -> None:
    refused = puyun(*PLAN, *more)
    assert refused.code == 1
    assert says in refused.err
    assert "seats" in refused.out
    assert not puyun(*PLAN, *more, "--json").json["sold"]


def test_the_catalogue_says_what_there_is(puyun, pooled: None) -> None:
    of_all = puyun(*PLAN, "--json").json
    assert (of_all["seats_there_are"], of_all["enterprise_has"], of_all["shared_then"]) == (78, 38, 14)
    of_one = puyun(*PLAN, "--model", "m", "--json").json
    assert (of_one["seats_there_are"], of_one["enterprise_has"]) == (70, 30)
    assert puyun(*PLAN, "--model", "nobody").code == 3


@pytest.mark.parametrize(
    "wrong", [("--wait", "soon"), ("--percent", "100"), ("--peak-rpm", "1e12"), ("--seconds", "0"), ("--wait", "-1s")]
)
def test_a_contract_that_is_none(puyun, wrong: tuple[str, ...]) -> None:
    assert puyun(*PLAN, "--seats", "64", *wrong).code == 2


@pytest.mark.parametrize(("text", "seats"), [("0.25s", 26), ("250 ms", 26), ("1m", 17)])
def test_times_are_written_as_people_do(puyun, text: str, seats: int) -> None:
    assert puyun(*PLAN, "--seats", "64", "--wait", text, "--json").json["seats"] == seats
