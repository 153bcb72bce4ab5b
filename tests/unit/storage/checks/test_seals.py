import pytest
from books import findings
from sqlalchemy import Engine

FIRST = "(SELECT min(call) FROM usage_record)"
SECOND = "(SELECT min(call) FROM usage_record WHERE input = 6)"
LAST = "(SELECT max(call) FROM usage_record)"

UNSEEN = [
    # what no other check would find
    f"UPDATE usage_record SET total_ms = total_ms + 1 WHERE call = {FIRST}",
    f"UPDATE usage_record SET balance_after = 0 WHERE call = {SECOND}",
    f"UPDATE usage_record SET error = 'x' WHERE call = {SECOND}",
    "UPDATE journal SET note = 'x' WHERE number = 1",
    "UPDATE journal SET at = at + 1 WHERE number = 3",
]


def seals(engine: Engine) -> list[tuple[str, str]]:
    return [(where.partition(",")[0], message) for check, where, message in findings(engine) if check == "A14"]


@pytest.mark.parametrize("statement", UNSEEN)
def test_an_edited_row_is_found_by_its_seal_alone(engine: Engine, tamper, statement: str) -> None:
    tamper(statement)
    assert {check for check, _, _ in findings(engine)} == {"A14"}


def test_the_hour_is_named(engine: Engine, tamper) -> None:
    tamper(UNSEEN[1])
    ((where, message),) = seals(engine)
    assert where == "seal 2"
    assert "is not what it was" in message


def test_what_is_not_sealed_yet_is_not_looked_at(engine: Engine, tamper) -> None:
    tamper(f"UPDATE usage_record SET total_ms = total_ms + 1 WHERE call = {LAST}")
    assert findings(engine) == []


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        (f"DELETE FROM usage_record WHERE call = {SECOND}", ["seal 2"]),
        (f"UPDATE usage_record SET call = call + 1000 WHERE call = {SECOND}", ["seal 2"]),
        ("UPDATE seal_part SET records = records + 1 WHERE seal = 1", ["seal 1", "seal 1"]),
        ("DELETE FROM seal_part WHERE seal = 2", ["seal 2", "seal 2"]),
        ("UPDATE seal SET hash = zeroblob(32) WHERE id = 1", ["seal 1", "seal 2"]),
        ("DELETE FROM seal WHERE id = 2", []),
    ],
)
def test_rows_and_seals_that_are_gone_or_moved(engine: Engine, tamper, statement: str, where: list[str]) -> None:
    """Removing the last seals leaves a shorter chain: whoever kept the last hash knows."""
    if "DELETE FROM seal " in statement:
        tamper("DELETE FROM seal_part WHERE seal = 2")
    tamper(statement)
    assert [place for place, _ in seals(engine)] == where


def test_a_record_smuggled_into_a_sealed_hour_is_found(engine: Engine, tamper) -> None:
    names = (
        "org, call, number, key, model, deployment, tier, tier_requested, status, flags, input, cached_input, "
        "cache_write, audio, output, reasoning, audio_output, exact, charge, from_bonus, held, balance_after, "
        "price_ids, attempts, queue_ms, ttft_ms, total_ms"
    )
    values = "org, call - 1000, 0, key, model, deployment, tier, tier, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', 1, 0, 0, 0"
    tamper(f"INSERT INTO usage_record ({names}) SELECT {values} FROM usage_record WHERE call = {SECOND}")
    assert ("seal 2", "3 records were sealed, there are 4") in seals(engine)
