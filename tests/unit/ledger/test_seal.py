from itertools import pairwise

from hypothesis import given, strategies as st

from puyun.ledger.seal import NO_SEAL, Digest, Part, chain

ROWS = [(number, f"[7,{number}]") for number in range(1, 9)]
PARTS = [Part(7, 8, 3, b"a" * 32), Part(8, 1, 0, b"b" * 32)]


def fed(cuts: list[int], rows: list[tuple[int, str]]) -> Part:
    digest = Digest()
    places = sorted({0, *(cut % (len(rows) + 1) for cut in cuts), len(rows)})
    for start, end in pairwise(places):
        digest.lines(rows[start:end])
        digest.records(rows[start:end])
    return digest.part(7, 0)


@given(st.lists(st.integers(0, 100), max_size=5))
def test_how_rows_are_cut_into_chunks_does_not_matter(cuts: list[int]) -> None:
    assert fed(cuts, ROWS) == fed([], ROWS)


def test_every_row_and_its_place_matter() -> None:
    assert len({fed([], rows).hash for rows in (ROWS, ROWS[:-1], ROWS[::-1], [*ROWS[:-1], (8, "[7,9]")])}) == 4


def test_lines_are_not_records() -> None:
    left, right = Digest(), Digest()
    left.lines(ROWS)
    right.records(ROWS)
    assert left.part(7, 0).hash != right.part(7, 0).hash
    assert (left.part(7, 0).number, right.part(7, 5).number) == (8, 5)


def test_nothing_fed_is_empty() -> None:
    digest = Digest()
    digest.lines([])
    digest.records([])
    assert digest.empty
    digest.records(ROWS[:1])
    assert not digest.empty


def test_a_chain_covers_the_seal_before_the_hours_the_layout_and_every_part() -> None:
    first = chain(NO_SEAL, 5, 1, PARTS)
    assert chain(NO_SEAL, 5, 1, reversed(PARTS)) == first
    others = (
        chain(first, 5, 1, PARTS),
        chain(NO_SEAL, 6, 1, PARTS),
        chain(NO_SEAL, 5, 2, PARTS),
        chain(NO_SEAL, 5, 1, PARTS[:1]),
        chain(NO_SEAL, 5, 1, [PARTS[0], Part(8, 1, 1, b"b" * 32)]),
    )
    assert len({first, *others}) == 6
