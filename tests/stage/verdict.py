"""What must be true after processes died: clients, the provider's own journal, and the records, compared call by call.

The rules are those of docs/concepts/billing.md; the amounts are computed beside all of the product's own code.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stage.bill import charge
from stage.load import Heard

COMPLETED, CANCELLED, CUT, FAILED, CRASHED = 1, 2, 3, 4, 5

Row = Mapping[str, Any]


@dataclass
class Verdict:
    """Faults by kind, each a sentence."""

    completed: int = 0
    """Answers that clients saw whole."""
    lost: list[str] = field(default_factory=list)
    """Seen whole, and not billed as it should be."""
    wrong: list[str] = field(default_factory=list)
    """Billed, and not owed by any rule."""
    double: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        return self.lost + self.wrong + self.double + self.leaked


def judge(
    heard: Iterable[Heard], entries: Iterable[Row], records: Iterable[Row], wallet: Row, *, start: int
) -> Verdict:
    """`entries` are those of the mock upstream's journal, once all of them have ended; `start` is the first balance."""
    verdict = Verdict()
    asked: dict[str, list[Row]] = {}
    for entry in entries:
        asked.setdefault(entry["request_id"], []).append(entry)
    rows = list(records)
    billed = {_request_id(row): row for row in rows}
    for call, times in Counter(_request_id(row) for row in rows).items():
        if times > 1:
            verdict.double.append(f"{call} has {times} records")
    left = {call.request_id for call in heard if call.kind.leaves is not None}
    for call in heard:
        if call.complete:
            verdict.completed += 1
            row = billed.get(call.request_id)
            if row is None or row["status"] != COMPLETED:
                verdict.lost.append(f"{call.request_id} was seen whole; its record: {row}")
    for request_id, row in billed.items():
        problem = _problem(row, asked.pop(request_id, []), may_have_left=request_id in left)
        if problem:
            verdict.wrong.append(f"{request_id} {problem}; its record: {dict(row)}")
    verdict.wrong += [f"{call} was sent to the provider and has no record" for call in asked]
    total = sum(row["charge"] for row in rows)
    if wallet["paid"] + wallet["bonus"] + total != start:
        verdict.double.append(f"the records come to {total}, the wallet says {dict(wallet)}")
    if wallet["held"]:
        verdict.leaked.append(f"the wallet holds {wallet['held']}")
    return verdict


def _problem(row: Row, entries: list[Row], *, may_have_left: bool) -> str:
    match row["status"]:
        case 1 if not entries:
            return "is complete, and the provider was never asked"
        case 1 if row["charge"] != charge(entries[-1]["prompt_tokens"], entries[-1]["completion_tokens"]):
            return f"is not charged as the provider reported: {entries}"
        case 1 if len(entries) > 1:
            return f"was sent {len(entries)} times"
        case 2 if not may_have_left and row["charge"]:
            return "is charged for a client that had not left"
        case 2 if not 0 <= row["charge"] <= min(row["held"], charge(100, 2 * sum(e["chunks"] for e in entries))):
            return f"is charged for more than was let through: {entries}"
        case 3:
            return "was cut, and there was credit"
        case 4 | 5 if row["charge"]:
            return "did not end well by our fault and is charged"
        case _:
            return ""


def _request_id(row: Row) -> str:
    return f"req_{row['call']:016x}{row['org']:08x}"
